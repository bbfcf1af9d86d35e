package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/segue-run/segue/driver"
)

func TestWritingKeepsModeOwnerLinksAndAttributes(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yaml"), filepath.Join(t.TempDir(), "link.yaml")
	check(t, os.WriteFile(real, []byte("a: 1\n"), 0o600))
	check(t, os.Symlink(real, link))
	if os.Getuid() == 0 {
		check(t, os.Chown(real, 12345, 23456))
	}
	check(t, os.Chmod(real, 0o641)) //nolint:gosec // an odd mode is what is to be kept
	attributes := syscall.Setxattr(real, "user.note", []byte("mine"), 0) == nil
	before, err := os.Stat(real)
	check(t, err)
	r := run(t, yamlOf(t, yamlParams{Path: link, Set: map[string]any{"a": int64(2)}}))
	look := func() {
		t.Helper()
		after, err := os.Stat(real)
		check(t, err)
		a, b := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
		if before.Mode() != after.Mode() || a.Uid != b.Uid || a.Gid != b.Gid {
			t.Errorf("%v %d:%d, before %v %d:%d", after.Mode(), b.Uid, b.Gid, before.Mode(), a.Uid, a.Gid)
		}
		if to, err := os.Readlink(link); err != nil || to != real {
			t.Errorf("the link leads to %s, %v", to, err)
		}
		value := make([]byte, 10)
		if n, err := syscall.Getxattr(real, "user.note", value); attributes && (err != nil || string(value[:n]) != "mine") {
			t.Errorf("the attribute is %q, %v", value[:n], err)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
			t.Errorf("left in the directory: %v, %v", all, err)
		}
	}
	same(t, "applied", "a: 2\n", content(t, real))
	look()
	r.undo()
	same(t, "undone", "a: 1\n", content(t, real))
	look()
}

// Somebody writes the file at the last moment: that is noticed and not lost.
func TestAChangeAtTheSameTimeIsNotLost(t *testing.T) {
	for name, other := range map[string]func(string) error{
		"another text":     func(path string) error { return os.WriteFile(path, []byte("a: 1\nmine: 1\n"), 0o600) },
		"as long a text":   func(path string) error { return os.WriteFile(path, []byte("a: 3\n"), 0o600) },
		"another mode":     func(path string) error { return os.Chmod(path, 0o600) },
		"the file is gone": os.Remove,
		"another file": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte("a: 1\n"), 0o640), os.Rename(path+"2", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := put(t, "c.yaml", "a: 1\n")
			p, err := planned(t, yamlOf(t, set("a", int64(2)).at(path)))
			check(t, err)
			var left string
			e := p.effect()
			e.Mine = func() error {
				check(t, other(path))
				raw, _ := os.ReadFile(path)
				left = string(raw)
				return nil
			}
			_, err = p.a.Apply(t.Context(), e)
			if !errors.Is(err, errChanged) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
			raw, _ := os.ReadFile(path)
			same(t, "the file", left, string(raw))
			if all, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(all) > 0 {
				t.Errorf("left behind: %v", all)
			}
		})
	}
}

func (p yamlParams) at(path string) yamlParams {
	p.Path = path
	return p
}

func TestWhatIsNoOrdinaryFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	pipe, hard, large := filepath.Join(dir, "pipe.yaml"), filepath.Join(dir, "hard.yaml"), filepath.Join(dir, "large.yaml")
	check(t, syscall.Mkfifo(pipe, 0o600))
	check(t, os.WriteFile(hard, []byte("a: 1\n"), 0o600))
	check(t, os.Link(hard, hard+"2"))
	check(t, os.WriteFile(large, []byte("#"+strings.Repeat("x", maxFile)+"\n"), 0o600))
	for path, want := range map[string]string{
		pipe: "is no regular file", dir: "is no regular file", large: "has 4194306 bytes",
		filepath.Join(dir, "none.yaml"): "none.yaml is not there", hard: "2 names",
	} {
		if _, err := planned(t, yamlOf(t, set("a", int64(2)).at(path))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	path := put(t, "c.yaml", "a: 1\n")
	left := filepath.Join(filepath.Dir(path), ".c.yaml.segue-123")
	check(t, os.WriteFile(left, []byte("a: secret\n"), 0o600))
	run(t, yamlOf(t, set("a", int64(2)).at(path)))
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestACancelledContextWritesNothing(t *testing.T) {
	path := put(t, "c.yaml", "a: 1\n")
	p, err := planned(t, yamlOf(t, set("a", int64(2)).at(path)))
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	e := p.effect()
	e.Mine = func() error { cancel(); return nil }
	if _, err := p.a.Apply(ctx, e); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	same(t, "the file", "a: 1\n", content(t, path))
}

func TestIdentityIsThatOfTheRealFile(t *testing.T) {
	path := put(t, "c.yaml", "a: 1\n")
	link := filepath.Join(t.TempDir(), "link")
	check(t, os.Symlink(filepath.Dir(path), link))
	t.Chdir(filepath.Dir(path))
	id := func(path string) driver.Resource { return yamlOf(t, set("a", int64(2)).at(path)).Resources()[0] }
	if one, two, three := id(path), id(filepath.Join(link, "c.yaml")), id("./c.yaml"); one != two || one != three {
		t.Errorf("%v, %v and %v", one, two, three)
	}
	if one, other := id(path), id(put(t, "c.yaml", "")); one == other {
		t.Errorf("two files share %v", one)
	}
}
