package host

import "syscall"

// spaceOf asks the kernel; free is what those who are not root may have.
func spaceOf(path string) (space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return space{}, err
	}
	unit := uint64(s.Frsize) //nolint:gosec // a size of blocks
	if unit == 0 {
		unit = uint64(s.Bsize) //nolint:gosec // as above
	}
	return space{s.Blocks * unit, (s.Blocks - s.Bfree) * unit, s.Bavail * unit}, nil
}
