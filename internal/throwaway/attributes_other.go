//go:build !linux

package throwaway

import "syscall"

// attributes make a program the leader of a group that is ended as a whole.
func attributes(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: cred}
}
