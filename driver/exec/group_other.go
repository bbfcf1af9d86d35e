//go:build unix && !linux

package exec

import "syscall"

// ownGroup makes a command the leader of a group that is ended as a whole.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
