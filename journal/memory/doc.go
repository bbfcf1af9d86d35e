// Package memory keeps journals in memory, for simulations and unit tests.
//
// A Disk holds what a state directory would; a Store is one process's handle
// on it. Crashing a process is closing its Store: what its goroutines try
// afterwards is refused, and another Store finds everything that was
// acknowledged. A Disk can be full.
//
// It starts no goroutine, reads no clock and waits only on channels, so it
// works in a testing/synctest bubble.
package memory
