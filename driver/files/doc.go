// Package files changes single values in configuration files on the machine
// that Segue runs on: keys of YAML (and JSON) files, and variables of files of
// KEY=VALUE lines. Every byte that does not belong to a value that was asked
// for stays as it is: comments, order, blank lines, quotes, line ends.
//
// A file is never written anew from what was understood of it. A change is a
// few splices of its bytes; what comes out is read again and compared with
// what was there, and unless exactly the keys that were asked for differ, the
// step is refused before anything is touched. What cannot be changed without
// changing something else (through an alias, say) is refused with its place.
//
// What a step owns are the values of its keys. Its cursor holds the splices,
// so that an undo gives back the very bytes; but values stand in it only as
// references to the sealed state. If others have changed the file since,
// their changes stay, and only the keys that the step owns are restored.
package files

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{yamlAction(), envAction(), valueCheck(), flagsSet(), flagsEnableAll()}
}
