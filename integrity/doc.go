// Package integrity says whether two places hold the same records, counts them,
// and repairs the one that is wrong.
//
// Where both systems can sum records up themselves (driver.Viewer), nothing is
// moved that is equal. Records fall into buckets by a hash of their key, so that
// buckets are alike in size whatever keys look like, and are the same on both
// sides whatever order a server puts them in. Each side counts the records of
// each bucket and sums their digests up, in one pass, in one snapshot. Buckets
// that differ are divided again until they are small; of what is left, keys and
// digests are merged, and the records that differ are fetched. Any two others are
// read as they come, and compared here.
//
// Both sides may be written to meanwhile, and one may be a moment behind the
// other. So what differs is looked at again ([settling]): it is a difference when
// it is the same at two looks, none when it is equal at one, and nobody can say
// when it keeps changing.
package integrity

import "github.com/segue-run/segue/driver"

// Parts are what it brings to the catalog.
func Parts() []driver.Part { return []driver.Part{equalCheck(), countCheck(), reconcileAction()} }
