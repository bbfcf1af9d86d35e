package postgres

import "syscall"

// ownGroup makes a client program the leader of a group that is ended as a
// whole, and ends it when Segue itself is killed: a successor must not find it
// at work.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
