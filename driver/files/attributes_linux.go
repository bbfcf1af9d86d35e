package files

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// names is how many names a file has.
func names(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink) //nolint:unconvert // its type differs between architectures
	}
	return 1
}

// own gives a file the owner of another.
func own(f *os.File, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == want.Uid && is.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}

// copyAttributes gives a file the extended attributes of another, its access
// control list among them. What the kernel alone may set is its to set.
func copyAttributes(from, to string) error {
	list := make([]byte, 64<<10)
	n, err := syscall.Listxattr(from, list)
	if errors.Is(err, syscall.ENOTSUP) || err == nil && n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(list[:n], []byte{0}), []byte{0}) {
		value := make([]byte, 64<<10)
		n, err := syscall.Getxattr(from, string(name), value)
		if err == nil {
			err = syscall.Setxattr(to, string(name), value[:n], 0)
		}
		system := strings.HasPrefix(string(name), "security.") || strings.HasPrefix(string(name), "trusted.")
		if err != nil && (!system || !errors.Is(err, syscall.EPERM)) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
