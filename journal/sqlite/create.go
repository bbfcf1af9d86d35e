package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// create makes dir and an empty journal in it, unless there is one. The file
// is prepared under another name and linked into place, so nobody ever sees
// half a journal and of two creators one wins.
func create(ctx context.Context, dir string) error {
	path := filepath.Join(dir, File)
	if _, err := os.Lstat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", translate(err))
	}
	draft, err := os.MkdirTemp(dir, ".new-journal-*") // 0700
	if err != nil {
		return fmt.Errorf("make a journal in %s: %w", dir, translate(err))
	}
	defer os.RemoveAll(draft)

	file := filepath.Join(draft, File)
	// SQLite gives its side files the permissions of the main one.
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return fmt.Errorf("make a journal in %s: %w", dir, translate(err))
	}
	db := open(file, readWrite)
	err = writeSchema(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("make a journal in %s: %w", dir, translate(err))
	}
	if err := os.Link(file, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put the new journal in place: %w", err)
	}
	return syncDir(dir)
}

// syncDir makes a new name in dir survive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
