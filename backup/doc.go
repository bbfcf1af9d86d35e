// Package backup puts what a migration stands on (databases, caches, streams,
// configuration files, the journal) into one bundle, says how old the newest good
// one is, and proves that it can be restored.
//
// A bundle is a directory that appears whole or not at all. It has a directory
// for each connection, as that connection's own backup action would leave it,
// and manifest.json: what is in it, as of when, the size and checksum of each
// file, and a signature (Ed25519 or HMAC-SHA256) with a key that the runbook refers
// to. A bundle is good when nothing of it is missing, changed or added, and the
// signature fits. What a bundle holds is as secret as the systems: files are
// 0600, directories 0700.
package backup

import (
	"context"

	"github.com/segue-run/segue/driver"
)

// Copier copies the journal, while it is written to, to a file that is not there.
type Copier func(ctx context.Context, from, to string) error

// Parts are what it brings to the catalog. The journal's own store knows how to
// copy it.
func Parts(journal Copier) []driver.Part {
	return []driver.Part{bundleAction(journal), ageCheck(), provenCheck(), restoreAction()}
}
