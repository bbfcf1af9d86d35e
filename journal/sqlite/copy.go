package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Copy puts a journal, as it is at one moment, into a file that is not there yet.
// Whoever writes to it goes on.
func Copy(ctx context.Context, from, to string) error {
	if filepath.Base(from) != File {
		return fmt.Errorf("%s is not called %s, as journals are", from, File)
	}
	r, err := OpenReadOnly(ctx, filepath.Dir(from))
	if err != nil {
		return err
	}
	// SQLite fills a file that is empty, and leaves it its permissions.
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	err = f.Close()
	if err == nil {
		_, err = r.ro.ExecContext(ctx, "vacuum into ?", to)
	}
	if err := errors.Join(translate(err), r.Close()); err != nil {
		return fmt.Errorf("copy the journal %s: %w", from, err)
	}
	return nil
}
