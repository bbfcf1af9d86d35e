package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/segue-run/segue/internal/disk"
)

// put makes a file be as it is to be, at once: at any moment it is whole.
func put(ctx context.Context, mine func() error, path string, is filed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if !is.There {
		if err := mine(); err != nil {
			return err
		}
		return errors.Join(os.Remove(path), disk.SyncDir(dir))
	}
	raw, err := is.bytes()
	if err != nil {
		return err
	}
	mode, err := is.mode()
	if err != nil {
		return err
	}
	if err := mine(); err != nil {
		return err
	}
	if err := sweep(dir, aside(path)); err != nil {
		return err
	}
	w, err := os.CreateTemp(dir, aside(path)+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(w.Name()) }() // gone already when all is well
	_, err = w.Write(raw)
	if err = errors.Join(err, ownedAs(w, path), w.Chmod(mode), w.Sync(), w.Close()); err != nil {
		return err
	}
	if err := mine(); err != nil {
		return err
	}
	return errors.Join(os.Rename(w.Name(), path), disk.SyncDir(dir))
}

// aside is how the name of a file begins that is about to take the place of another.
func aside(path string) string { return "." + filepath.Base(path) + ".segue-" }

// sweep removes what a killed process left: it may hold secrets.
func sweep(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if number, ours := strings.CutPrefix(e.Name(), prefix); !ours || !e.Type().IsRegular() || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what is left of a killed process: %w", err)
		}
	}
	return nil
}

// ownedAs gives a new file the owner of the one whose place it takes, if there is one.
func ownedAs(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(s.Uid), int(s.Gid))
	}
	return nil
}
