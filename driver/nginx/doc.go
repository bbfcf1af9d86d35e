// Package nginx steers how an NGINX splits traffic between an old and a new
// side. It writes whole files of its own, which the user's configuration
// includes, and never touches any other.
//
// A split hashes a client's key into a hundred buckets of a hundred, and the
// share is a directory of the buckets that the new side has. There are two
// ways to make NGINX go by it. By files: each request looks (one stat) whether
// its bucket is in the directory that a link leads to; to change the share is
// to replace the link, atomically, without a reload and without a module
// (docs/adr/0015). By reload: the buckets stand in a map in the configuration,
// and each change costs a reload, which resets connections. Both put every
// client in the same bucket, so that the way can be changed too.
//
// NGINX says on a loopback port, in a server of the same files, which
// generation of them it runs, and where a key would go: so a change is done
// when NGINX itself says so.
package nginx

import "github.com/segue-run/segue/driver"

const kind = "nginx"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{connection(), splitAction(), websocketAction(), shadowAction()}
}
