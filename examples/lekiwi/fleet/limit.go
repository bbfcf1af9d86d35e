package fleet

import (
	"fmt"
	"syscall"
)

// AllowFiles lets this process, and those it starts later, have n files and
// sockets open at once.
func AllowFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Cur >= n {
		return nil
	}
	was := limit
	limit.Cur = n
	limit.Max = max(limit.Max, n) // only root may raise it
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d open files are needed and %d allowed: raise the limit of this user (ulimit -Hn %d, LimitNOFILE=, /etc/security/limits.conf): %w", n, was.Max, n, err)
	}
	return nil
}
