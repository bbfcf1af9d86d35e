// Package disk has what whoever keeps files on disk needs: canonical paths,
// checksums, and names that outlive a loss of power.
package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Real follows the links in the part of a path that exists.
func Real(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	parent := filepath.Dir(abs)
	if parent == abs {
		return abs, nil
	}
	real, err := Real(parent)
	return filepath.Join(real, filepath.Base(abs)), err
}

// SyncDir makes sure that the names in a directory are on disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Heeding reads from r until ctx ends.
func Heeding(ctx context.Context, r io.Reader) io.Reader { return heeding{ctx, r} }

type heeding struct {
	ctx context.Context //nolint:containedctx // of the one read that it is for
	r   io.Reader
}

func (h heeding) Read(p []byte) (int, error) {
	if h.ctx.Err() != nil {
		return 0, context.Cause(h.ctx)
	}
	return h.r.Read(p)
}

// Sum is the SHA-256 of what is read, in hexadecimal, and how many bytes it was.
func Sum(ctx context.Context, r io.Reader) (sum string, n int64, err error) {
	h := sha256.New()
	if n, err = io.Copy(h, Heeding(ctx, r)); err != nil {
		return "", n, fmt.Errorf("sum up: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// SumFile is the Sum of a file; its content is on disk when it returns.
func SumFile(ctx context.Context, path string) (sum string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }()
	if sum, n, err = Sum(ctx, f); err != nil {
		return "", n, fmt.Errorf("%s: %w", path, err)
	}
	return sum, n, f.Sync()
}
