package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// maxFile bounds what is read: the files of a split are small.
const maxFile = 4 << 20

// ReadFile reads a file of a split; there is false when there is none.
func ReadFile(path string) (src []byte, there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !info.Mode().IsRegular():
		return nil, false, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxFile:
		return nil, false, fmt.Errorf("%s has %d bytes: a file of a split has %d at most", path, info.Size(), maxFile)
	}
	src, err = os.ReadFile(path)
	return src, err == nil, err
}

// Replace puts a file in the place of what is at path, if that is still was
// (nil: there was none). It is whole at any moment, on the disk when Replace
// returns, and keeps the mode and owner that were there. mine is Effect.Mine.
func Replace(ctx context.Context, mine func() error, path string, was, to []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // it is gone when all went well
	if _, err := f.Write(to); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
	}
	if err := mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	now, there, err := ReadFile(path)
	if err != nil {
		return err
	}
	if there != (was != nil) || !bytes.Equal(now, was) {
		return errors.New("somebody else changed it just now; nothing was written, so that their change is not lost: try again")
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes what was renamed or made in a directory last.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
