package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// action sets and unsets keys of one file. It owns the values of these keys.
type action struct {
	file     string // the real path
	resource driver.Resource
	parse    format
	sealer   sealer
	changes  []change
}

func newAction(path string, parse format, s sealer, changes []change) (*action, error) {
	file, err := realPath(path)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this machine: %w", err)
	}
	return &action{file, driver.Resource{ID: "file:" + host + file, Name: "file " + file}, parse, s, changes}, nil
}

// realPath follows links, of a file that is not there those of its directory.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("file %s: %w", path, err)
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			return filepath.Join(dir, filepath.Base(path)), nil
		}
		return path, nil
	}
	if err != nil {
		return "", fmt.Errorf("file %s: %w", path, err)
	}
	return real, nil
}

func (a *action) Resources() []driver.Resource { return []driver.Resource{a.resource} }

func (a *action) Observe(ctx context.Context) (state.State, error) {
	_, w, err := a.read(ctx)
	if err != nil {
		return nil, err
	}
	return a.seen(w)
}

// read looks at the file as it is now.
func (a *action) read(ctx context.Context) (snapshot, *work, error) {
	if err := ctx.Err(); err != nil {
		return snapshot{}, nil, err
	}
	s, err := readFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, a.refused(fmt.Errorf("%s is not there: %w", a.file, fs.ErrNotExist))
	}
	if err != nil {
		return s, nil, err
	}
	w, err := newWork(a.file, a.parse, s.src, a.secret)
	return s, w, a.refused(err)
}

func (a *action) secret(k keyPath, in []string, v any) bool {
	for _, name := range in {
		k = append(k[:len(k):len(k)], step{name, -1})
	}
	raw := a.sealer.encode(k, v)
	return strings.Contains(string(raw), `"$secret"`)
}

// refused says that nothing was touched.
func (a *action) refused(err error) error {
	if err == nil {
		return nil
	}
	r := &driver.Refusal{System: a.resource.Name, Reason: err.Error()}
	if p, ok := errors.AsType[*placed](err); ok {
		if text, whole := strings.CutSuffix(r.Reason, p.Error()); whole {
			r.Reason, r.Remedy = text+p.where+": "+p.problem, p.remedy
		}
	}
	return r
}

func (a *action) seen(w *work) (state.State, error) {
	fields := state.Fields{}
	for _, c := range a.changes {
		v, ok, err := w.doc.get(c.key)
		if err != nil {
			return nil, a.refused(err)
		}
		if fields[c.key.String()] = json.RawMessage("null"); ok {
			fields[c.key.String()] = a.sealer.encode(c.key, v)
		}
	}
	return state.State{a.resource.ID: fields}, nil
}

func (a *action) Plan(state.State) (state.State, error) {
	fields := state.Fields{}
	for _, c := range a.changes {
		if fields[c.key.String()] = json.RawMessage("null"); c.set {
			fields[c.key.String()] = a.sealer.encode(c.key, c.v)
		}
	}
	return state.State{a.resource.ID: fields}, nil
}

// Survey looks whether the file can be changed so, and back, without changing
// anything else of it.
func (a *action) Survey(ctx context.Context) (state.State, error) {
	s, w, err := a.read(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := a.seen(w)
	if err != nil {
		return nil, err
	}
	before, err := a.target(seen)
	if err != nil {
		return nil, err
	}
	r, err := w.all(a.changes, before)
	if err == nil && len(r.Edits) > 0 {
		err = s.replaceable()
	}
	return state.State{}, a.refused(err)
}

// PlanAmong implements driver.Surveyor.
func (a *action) PlanAmong(before, _ state.State) (state.State, error) { return a.Plan(before) }

// target is what a state says of the keys.
func (a *action) target(s state.State) ([]change, error) {
	out := make([]change, len(a.changes))
	for i, c := range a.changes {
		raw, ok := s[a.resource.ID][c.key.String()]
		if !ok {
			return nil, fmt.Errorf("%s: the state says nothing of %s", a.resource.Name, c.key)
		}
		v, set, err := decode(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", a.resource.Name, c.key, err)
		}
		out[i] = change{c.key, v, set}
	}
	return out, nil
}

func (a *action) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	want, err := a.target(e.Want)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	before, err := a.target(e.Before)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	s, w, err := a.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	r, err := w.all(want, before)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", a.refused(err))
	}
	if len(r.Edits) > 0 {
		if err := e.Save(ctx, r); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
		if err := s.replace(ctx, e.Mine, w.src); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
	}
	return a.Observe(ctx)
}

// Undo gives the keys their old values back; what others changed stays.
func (a *action) Undo(ctx context.Context, e driver.Effect) error {
	before, err := a.target(e.Before)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	want, err := a.target(e.Want)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	r, err := recorded(e.Cursor)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	s, w, err := a.read(ctx)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if err := w.back(r, before, want); err != nil {
		return fmt.Errorf("undo: %w", a.refused(err))
	}
	if string(w.src) == string(s.src) {
		return nil
	}
	if err := s.replace(ctx, e.Mine, w.src); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}
