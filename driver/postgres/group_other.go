//go:build unix && !linux

package postgres

import "syscall"

// ownGroup makes a client program the leader of a group that is ended as a whole.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
