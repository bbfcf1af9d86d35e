package throwaway

import "syscall"

// attributes make a program the leader of a group that is ended as a whole, and
// end it when Segue itself is killed.
func attributes(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: cred}
}
