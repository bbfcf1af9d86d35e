// Package sealed keeps what only undoing may see: old passwords, environments,
// whole configurations as they were. It is encrypted under a random key of its
// run, and ends with it: Destroy takes the key first, and what is left of the
// files after a crash, in a backup or on a worn disk opens for nobody.
//
// The key lies beside the files. So this protects what leaves the machine
// without the key, not from who can read the directory: that is the file
// permissions' part (0700, 0600).
//
// A run has a second key here, for the keyed digests by which the journal's
// public faces can be compared without telling what they hide.
package sealed
