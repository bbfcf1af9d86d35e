package backup

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// maxFile bounds what is put back: what was there before is kept in the run's
// sealed state, for undo, and a configuration is small.
const maxFile = 4 << 20

// filing puts files back as a bundle has them. It owns their bytes, which are as
// secret as they may be, and their modes.
type filing struct {
	shelf *shelf
	paths map[string]string // resource to real path
}

func newFiling(s *shelf, files []string) (*filing, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this machine: %w", err)
	}
	f := &filing{s, map[string]string{}}
	for _, path := range files {
		real, err := disk.Real(path)
		if err != nil {
			return nil, fmt.Errorf("restore file %s: %w", path, err)
		}
		id := "file:" + host + real
		if _, twice := f.paths[id]; twice {
			return nil, &runbook.FieldError{Field: "files", Problem: path + " stands there twice", Remedy: "name it once"}
		}
		f.paths[id] = real
	}
	return f, nil
}

// Resources implements driver.Action.
func (f *filing) Resources() []driver.Resource {
	var out []driver.Resource
	for _, id := range f.ids() {
		out = append(out, driver.Resource{ID: id, Name: "file " + f.paths[id]})
	}
	return out
}

func (f *filing) ids() []string { return slices.Sorted(maps.Keys(f.paths)) }

// A filed is a file as it is, or is to be.
type filed struct {
	There   bool         `json:"there"`
	Content state.Secret `json:"content,omitempty"` // base64
	Mode    string       `json:"mode,omitempty"`    // as in 0640
}

func (f filed) bytes() ([]byte, error) { return base64.StdEncoding.DecodeString(string(f.Content)) }

func (f filed) mode() (fs.FileMode, error) {
	var m fs.FileMode
	if _, err := fmt.Sscanf(f.Mode, "%o", &m); err != nil {
		return 0, fmt.Errorf("mode %q: %w", f.Mode, err)
	}
	return m, nil
}

func (f filed) String() string {
	if !f.There {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes, mode %s", base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(string(f.Content), "="))), f.Mode)
}

// fileAt is what is at a path.
func fileAt(path string) (filed, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return filed{}, nil
	case err != nil:
		return filed{}, err
	case !info.Mode().IsRegular():
		return filed{}, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxFile:
		return filed{}, fmt.Errorf("%s has %d bytes, and what is put back has %d at most", path, info.Size(), maxFile)
	}
	raw, err := os.ReadFile(path)
	return filedOf(raw, info.Mode()), err
}

func filedOf(raw []byte, mode fs.FileMode) filed {
	return filed{true, state.Secret(base64.StdEncoding.EncodeToString(raw)), fmt.Sprintf("%04o", mode.Perm())}
}

// Observe implements driver.Action.
func (f *filing) Observe(ctx context.Context) (state.State, error) {
	out := state.State{}
	for id, path := range f.paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		is, err := fileAt(path)
		if err != nil {
			return nil, fmt.Errorf("restore files: %w", err)
		}
		maps.Copy(out, state.Of(id, is))
	}
	return out, nil
}

// offered is what the newest good bundle has of a file; Problem: why nothing.
type offered struct {
	Is      filed  `json:"is"`
	Problem string `json:"problem,omitempty"`
}

func (f *filing) source(id string) string {
	return "file:" + f.shelf.dir + "/" + f.shelf.name + "/" + id
}

// Survey reads the files of the newest good bundle that has all of them.
func (f *filing) Survey(ctx context.Context) (state.State, error) {
	b, bad, err := f.shelf.newest(ctx, func(b *bundle) bool {
		for _, path := range f.paths {
			if b.copyOf(path) == "" {
				return false
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	out := state.State{}
	for id, path := range f.paths {
		o := offered{Problem: "there is no good bundle with all of these files in " + f.shelf.dir + because(bad)}
		if b != nil {
			if o, err = b.offer(path); err != nil {
				return nil, err
			}
		}
		maps.Copy(out, state.Of(f.source(id), o))
	}
	return out, nil
}

// copyOf is the name in the bundle of the file that was at a real path; "" if it
// has none.
func (b *bundle) copyOf(path string) string {
	for name, c := range b.Copies {
		if real, err := disk.Real(c.Path); err == nil && real == path {
			return name
		}
	}
	return ""
}

func (b *bundle) offer(path string) (offered, error) {
	name := b.copyOf(path)
	c := b.Copies[name]
	switch {
	case c.Journal:
		return offered{Problem: path + " is the journal, which tells what was done and is never put back"}, nil
	case b.Files[name].Size > maxFile:
		return offered{Problem: fmt.Sprintf("%s has %d bytes in bundle %s, and what is put back has %d at most", path, b.Files[name].Size, b.base(), maxFile)}, nil
	}
	raw, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(name)))
	if err != nil {
		return offered{}, fmt.Errorf("read file %s of bundle %s: %w", name, b.base(), err)
	}
	return offered{Is: filedOf(raw, c.Mode)}, nil
}

// Plan cannot be without knowing the bundles.
func (f *filing) Plan(before state.State) (state.State, error) {
	return f.PlanAmong(before, state.State{})
}

// PlanAmong implements driver.Surveyor.
func (f *filing) PlanAmong(_, others state.State) (state.State, error) {
	want := state.State{}
	for _, id := range f.ids() {
		o := offered{Problem: "the bundles in " + f.shelf.dir + " were not looked at"}
		if _, found := others[f.source(id)]; found {
			o = offered{}
		}
		if _, err := others.Decode(f.source(id), &o); err != nil {
			return nil, err
		}
		if o.Problem != "" {
			return nil, &driver.Refusal{System: "files", Reason: o.Problem, Remedy: "a step with backup.bundle that has them in files, before this one"}
		}
		maps.Copy(want, state.Of(id, o.Is))
	}
	return want, nil
}

// Costs implements driver.Costly.
func (f *filing) Costs(before, want state.State) string {
	var out []string
	for _, id := range f.ids() {
		was, is, err := f.both(id, before, want)
		if err == nil && was != is {
			out = append(out, fmt.Sprintf("%s (%s) is replaced by what the bundle has (%s)", f.paths[id], was, is))
		}
	}
	return strings.Join(out, "; ")
}

func (f *filing) both(id string, before, want state.State) (was, is filed, err error) {
	_, err = before.Decode(id, &was)
	_, err2 := want.Decode(id, &is)
	return was, is, errors.Join(err, err2)
}

// Resume implements driver.Resumable.
func (f *filing) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return f.Apply(ctx, e)
}

// Apply implements driver.Action. What others have changed since the plan it does
// not write over.
func (f *filing) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	for _, id := range f.ids() {
		was, want, err := f.both(id, e.Before, e.Want)
		if err != nil {
			return nil, err
		}
		now, err := fileAt(f.paths[id])
		switch {
		case err != nil:
			return nil, fmt.Errorf("restore files: %w", err)
		case now == want:
			continue
		case now != was:
			return nil, fmt.Errorf("restore file %s: somebody changed it just now, to %s; nothing of it was written, so that their change is not lost", f.paths[id], now)
		}
		if err := put(ctx, e.Mine, f.paths[id], want); err != nil {
			return nil, fmt.Errorf("restore file %s: %w", f.paths[id], err)
		}
	}
	return f.Observe(ctx)
}

// Undo puts back what was there; what others have changed since stays.
func (f *filing) Undo(ctx context.Context, e driver.Effect) error {
	kept := map[string][]string{}
	var what []string
	for _, id := range f.ids() {
		was, want, err := f.both(id, e.Before, e.Want)
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
		now, err := fileAt(f.paths[id])
		switch {
		case err != nil:
			return fmt.Errorf("undo: %w", err)
		case now == was:
			continue
		case now != want:
			what, kept[id] = append(what, f.paths[id]), []string{"*"}
			continue
		}
		if err := put(ctx, e.Mine, f.paths[id], was); err != nil {
			return fmt.Errorf("undo: file %s: %w", f.paths[id], err)
		}
	}
	if len(what) == 0 {
		return nil
	}
	return &driver.Kept{What: "files " + strings.Join(what, ", "), Cost: "somebody changed them after they were restored", Fields: kept}
}
