package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what is read: a configuration file is small.
const maxFile = 4 << 20

// errChanged: somebody wrote the file between the look at it and the change.
var errChanged = errors.New("somebody else changed the file just now; nothing was written, so that their change is not lost: try again")

// A snapshot is a file as it was at one moment.
type snapshot struct {
	path string
	info fs.FileInfo
	src  []byte
}

// readFile reads a regular file.
func readFile(path string) (snapshot, error) {
	info, err := os.Stat(path) // before opening: a pipe would block
	switch {
	case err != nil:
		return snapshot{}, err
	case !info.Mode().IsRegular():
		return snapshot{}, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxFile:
		return snapshot{}, fmt.Errorf("%s has %d bytes; a configuration file has %d at most", path, info.Size(), maxFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return snapshot{}, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return snapshot{}, err
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return snapshot{}, fmt.Errorf("read %s: %w", path, err)
	}
	return snapshot{path, info, src}, nil
}

// replace writes a new file and puts it in the place of the old one, with its
// mode, owner and attributes, if that is still as it was read. The file that
// is there is whole at any moment, and on the disk when replace returns.
func (s snapshot) replace(ctx context.Context, mine func() error, to []byte) error {
	if err := s.replaceable(); err != nil {
		return err
	}
	dir, pattern := filepath.Dir(s.path), "."+filepath.Base(s.path)+".segue-*"
	if err := s.clear(dir, mine); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	defer os.Remove(f.Name()) // it is gone when all went well
	defer f.Close()
	if err := s.fill(f, to); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	if err := mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	now, err := readFile(s.path)
	if err != nil {
		return err
	}
	if !os.SameFile(now.info, s.info) || !bytes.Equal(now.src, s.src) || now.info.Mode() != s.info.Mode() {
		return fmt.Errorf("%s: %w", s.path, errChanged)
	}
	if err := os.Rename(f.Name(), s.path); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return syncDir(dir)
}

// replaceable says, without changing anything, why the file cannot be replaced.
func (s snapshot) replaceable() error {
	if n := names(s.info); n > 1 {
		return fmt.Errorf("%s has %d names (hard links), which writing it would part: make it one of its own", s.path, n)
	}
	return nil
}

// clear removes what a killed process left: it may hold secrets.
func (s snapshot) clear(dir string, mine func() error) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	for _, e := range all {
		if ok, _ := filepath.Match("."+escapeGlob(filepath.Base(s.path))+".segue-*", e.Name()); !ok || !e.Type().IsRegular() {
			continue
		}
		if err := mine(); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what is left of a killed process: %w", err)
		}
	}
	return nil
}

func escapeGlob(name string) string {
	var b bytes.Buffer
	for _, c := range []byte(name) {
		if bytes.IndexByte([]byte(`*?[\`), c) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// fill writes the new file. The owner comes first: changing it takes special
// bits of the mode away.
func (s snapshot) fill(f *os.File, to []byte) error {
	if _, err := f.Write(to); err != nil {
		return err
	}
	if err := own(f, s.info); err != nil {
		return fmt.Errorf("keep its owner: %w", err)
	}
	if err := f.Chmod(s.info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return fmt.Errorf("keep its mode: %w", err)
	}
	if err := copyAttributes(s.path, f.Name()); err != nil {
		return fmt.Errorf("keep its attributes: %w", err)
	}
	return f.Sync()
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
