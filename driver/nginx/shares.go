package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/segue-run/segue/edge"
)

// The directory of a share holds, for each whole bucket that the new side has,
// a link to a directory of all hundred parts, and for a bucket of which it has
// some a directory of these. So a request needs one look, at one moment: is
// there COARSE/FINE?

const allParts = "all"

func part(i int) string { return fmt.Sprintf("%02d", i) }

// build makes the directory of a share, or puts it right. It is not looked at
// until a link leads to it.
func (p paths) build(share edge.Share) error {
	for _, dir := range []string{filepath.Dir(p.shares), p.shares} {
		if err := makeDirOnce(dir); err != nil {
			return err
		}
	}
	all := filepath.Join(p.shares, allParts)
	if err := fill(all, 100); err != nil {
		return err
	}
	dir := filepath.Join(p.shares, strconv.Itoa(int(share)))
	if err := makeDir(dir); err != nil {
		return err
	}
	coarse, fine := int(share)/100, int(share)%100
	found, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range found { // what somebody put there
		i, err := strconv.Atoi(e.Name())
		right := err == nil && part(i) == e.Name() && (i < coarse && isLink(filepath.Join(dir, e.Name())) || i == coarse && fine > 0 && e.IsDir())
		if !right {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for i := range coarse {
		if err := alike(dir, i, func(path string) error { return os.Symlink("../"+allParts, path) }); err != nil {
			return err
		}
	}
	if fine > 0 {
		if err := fill(filepath.Join(dir, part(coarse)), fine); err != nil {
			return err
		}
	}
	return nil
}

// last makes on the disk what build and point made. It comes after them, for a
// share is to be served soon: should the power fail before, buckets are missing
// from the new side, and the step is seen not to have been carried out.
func (p paths) last(share edge.Share) error {
	dir := filepath.Join(p.shares, strconv.Itoa(int(share)))
	errs := []error{edge.SyncDir(filepath.Join(p.shares, allParts)), edge.SyncDir(dir), edge.SyncDir(p.shares), edge.SyncDir(filepath.Dir(p.shares))}
	if fine := int(share) % 100; fine > 0 {
		errs = append(errs, edge.SyncDir(filepath.Join(dir, part(int(share)/100))))
	}
	return errors.Join(errs...)
}

func isLink(path string) bool {
	to, err := os.Readlink(path)
	return err == nil && to == "../"+allParts
}

// fill makes a directory hold exactly the first n parts.
func fill(dir string, n int) error {
	if whole(dir, n) {
		return nil
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range found {
		if i, err := strconv.Atoi(e.Name()); err != nil || i >= n || part(i) != e.Name() || !e.Type().IsRegular() {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for i := range n {
		err := alike(dir, i, func(path string) error {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // empty, and looked at by other users' workers
			if err != nil {
				return err
			}
			return f.Close()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// alike makes a part as another name of the first, which is made ten times as
// soon as another file like it. Where that is not allowed (the first is another
// user's, say), make makes it, as it does the first.
func alike(dir string, i int, make func(path string) error) error {
	path := filepath.Join(dir, part(i))
	if i > 0 {
		if err := os.Link(filepath.Join(dir, part(0)), path); err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	if err := make(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// makeDir makes a directory that NGINX's workers can look into, whatever umask
// Segue runs with.
func makeDir(dir string) error {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as below
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // other users' workers look into it
}

// makeDirOnce leaves one that is there with the mode that somebody gave it.
func makeDirOnce(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return makeDir(dir)
}

// whole reports whether a directory holds exactly the first n parts.
func whole(dir string, n int) bool {
	found, err := os.ReadDir(dir)
	if err != nil || len(found) != n {
		return false
	}
	for i, e := range found { // they are sorted
		if e.Name() != part(i) || !e.Type().IsRegular() {
			return false
		}
	}
	return true
}

// share is what the link says; there is false when there is none. It fails
// when what it leads to is not that share's.
func (p paths) share() (s edge.Share, there bool, err error) {
	to, err := os.Readlink(p.link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, false, nil
	case err != nil:
		return 0, true, fmt.Errorf("%s is no link: %w", p.link, err)
	}
	n, err := strconv.Atoi(filepath.Base(to))
	if s = edge.Share(n); err != nil || n < 0 || s > edge.Whole || to != p.target(s) {
		return 0, true, fmt.Errorf("%s leads to %s, which is no share", p.link, to)
	}
	dir := filepath.Join(p.shares, strconv.Itoa(n))
	coarse, fine := n/100, n%100
	want := coarse
	if fine > 0 {
		want++
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return s, true, fmt.Errorf("the share's directory: %w", err)
	}
	right := len(found) == want && whole(filepath.Join(p.shares, allParts), 100)
	for i := range coarse {
		right = right && isLink(filepath.Join(dir, part(i)))
	}
	if fine > 0 {
		right = right && whole(filepath.Join(dir, part(coarse)), fine)
	}
	if !right {
		return s, true, fmt.Errorf("%s does not hold the buckets of %s", dir, s)
	}
	return s, true, nil
}

// target is where the link leads for a share, from where it lies.
func (p paths) target(s edge.Share) string {
	return filepath.Join(filepath.Base(p.shares), strconv.Itoa(int(s)))
}

// point makes the link lead to a share, from one moment to the next.
func (p paths) point(s edge.Share) error {
	next := p.link + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(p.target(s), next); err != nil {
		return err
	}
	return os.Rename(next, p.link)
}

// remove takes all files of the split away.
func (p paths) remove() error {
	var errs []error
	for _, path := range []string{p.http, p.server, p.link, p.link + ".next"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, os.RemoveAll(p.shares))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return edge.SyncDir(filepath.Dir(p.http))
}
