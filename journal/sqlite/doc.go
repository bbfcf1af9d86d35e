// Package sqlite keeps journals in one file, journal.db, in a state directory.
// It is the store that Segue uses unless told otherwise.
//
// SQLite gives what a journal needs from a file: a commit that is on the disk
// when it returns (WAL, synchronous=FULL), all or nothing after kill -9 or
// power loss, and readers in other processes that never wait for the writer
// nor make it wait. Each Store has one connection that writes, each write is
// one BEGIN IMMEDIATE transaction that checks (sequence, lease, claims) and
// then stores; reading uses connections that are opened read-only.
//
// What SQLite does not give is proof that a page still holds what was written.
// So every record carries a checksum over the one before it and its own
// contents, and the run's row holds the last one: a flipped byte, a missing or
// swapped record is found when the run is read, and what comes before the
// damage can still be had with Salvage.
//
// The file belongs on a local disk; network file systems do not lock well
// enough. While a Store is open, do not open journal.db by other means in the
// same process: closing it would drop SQLite's locks.
package sqlite
