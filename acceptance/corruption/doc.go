// Package corruption proves that a rollback to the last good bundle, with the
// writes since replayed, puts corrupt data right and loses nothing.
package corruption
