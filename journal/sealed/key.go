package sealed

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const keySize = 32 // AES-256

// readKey reads the key at path.
func readKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path) //nolint:gosec // in our directory
	if err == nil && len(key) != keySize {
		return nil, fmt.Errorf("%w: the key %s has %d bytes, not %d", ErrDamaged, path, len(key), keySize)
	}
	return key, err
}

// makeKey reads the key at path, or makes it. Of two that make it at once both
// get the one that came first: a key appears whole, by a link, and is never
// replaced.
func makeKey(path string) ([]byte, error) {
	if key, err := readKey(path); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name()) //nolint:errcheck // only a name of the key, or a draft of it
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	_, err = draft.Write(key)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return readKey(path)
}

// destroyKey overwrites the key at path, for what that is worth on the disk
// below, and removes it.
func destroyKey(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // in our directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, keySize))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
}

// makeDir makes a directory for the owner only, or makes it so.
func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm() != 0o700 {
		return os.Chmod(path, 0o700) //nolint:gosec // a directory
	}
	return nil
}

// syncDir makes changed names in dir survive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // ours
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
