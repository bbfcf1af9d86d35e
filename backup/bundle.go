package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type bundleParams struct {
	where
	Of      []driver.Via[driver.Dumper] `param:"of" doc:"The connections whose content goes into it."`
	Files   []string                    `param:"files" doc:"Files that go into it, such as configurations."`
	Journal string                      `param:"journal" doc:"The journal's file, journal.db in the state directory."`
	retention
	Fresh *time.Duration `param:"fresh" doc:"A bundle of the same that is younger is good enough: none is made; 0s: always a new one." default:"10m"`
}

// Validate implements what types cannot say.
func (p bundleParams) Validate() error {
	if err := p.where.Validate(); err != nil {
		return err
	}
	return p.check()
}

func (p bundleParams) check() error {
	if len(p.Of) == 0 && len(p.Files) == 0 && p.Journal == "" {
		return &runbook.FieldError{Field: "of", Problem: "nothing goes into the bundle", Remedy: "name connections, as in of: [db, cache]"}
	}
	if p.Fresh != nil && *p.Fresh < 0 {
		return &runbook.FieldError{Field: "fresh", Problem: "no bundle is that young", Remedy: "write 0s for a new one each time"}
	}
	if err := p.retention.check(); err != nil {
		return err
	}
	return uniqueNames(p.Of)
}

func uniqueNames(of []driver.Via[driver.Dumper]) error {
	seen := map[string]bool{}
	for _, via := range of {
		if seen[via.String()] {
			return &runbook.FieldError{Field: "of", Problem: via.String() + " stands there twice", Remedy: "name it once"}
		}
		seen[via.String()] = true
	}
	return nil
}

// bundling makes a bundle. It owns that there is a good one that is younger than
// fresh, and shows it only then: one that grows old is nobody's drift.
type bundling struct {
	p     bundleParams
	shelf *shelf
	copy  Copier
	id    string
}

func bundleAction(journal Copier) driver.Part {
	return driver.Acts(driver.About{
		Name: "backup.bundle",
		Doc:  "Puts what connections hold, files and the journal into one signed bundle, which is read back. Systems go on meanwhile, and each part is of a moment of its own. For large ones give the step a timeout.",
	}, func(_ context.Context, _ driver.Conn, p bundleParams) (driver.Action, error) {
		return newBundling(p, journal)
	})
}

func newBundling(p bundleParams, journal Copier) (*bundling, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	s, err := p.shelf()
	if err != nil {
		return nil, err
	}
	if !s.key.signs() {
		return nil, &runbook.FieldError{Field: "key", Problem: errPublic.Error(), Remedy: "write a reference to the private key"}
	}
	if p.Journal != "" && journal == nil {
		return nil, errors.New("backup.bundle: nothing here can copy a journal")
	}
	return &bundling{p, s, journal, "file:" + filepath.Join(s.dir, s.name)}, nil
}

// Resources implements driver.Action.
func (b *bundling) Resources() []driver.Resource {
	return []driver.Resource{{ID: b.id, Name: "bundles " + b.shelf.name + " in " + b.shelf.dir}}
}

func (b *bundling) fresh() time.Duration {
	if b.p.Fresh != nil {
		return *b.p.Fresh
	}
	return 10 * time.Minute
}

// Observe implements driver.Action.
func (b *bundling) Observe(ctx context.Context) (state.State, error) {
	ids := map[string]string{}
	for _, via := range b.p.Of {
		conn, err := via.Open(ctx)
		if err != nil {
			return nil, err
		}
		if ids[via.String()], err = conn.ID(ctx); err != nil {
			return nil, err
		}
	}
	found, _, err := b.shelf.newest(ctx, func(m *bundle) bool {
		age := time.Since(m.Taken)
		return age < b.fresh() && age > -time.Minute && b.covers(m.manifest, ids)
	})
	if err != nil {
		return nil, err
	}
	return b.state(found != nil), nil
}

// covers reports whether a bundle is of all that is asked for.
func (b *bundling) covers(m *manifest, ids map[string]string) bool {
	for name, id := range ids {
		if m.Parts[name].ID != id {
			return false
		}
	}
	var has []string
	for _, c := range m.Copies {
		has = append(has, c.Path)
	}
	for _, path := range b.copies() {
		if !slices.Contains(has, path) {
			return false
		}
	}
	return true
}

func (b *bundling) copies() []string {
	out := slices.Clone(b.p.Files)
	if b.p.Journal != "" {
		out = append(out, b.p.Journal)
	}
	return out
}

func (b *bundling) state(present bool) state.State {
	if !present {
		return state.State{b.id: {}}
	}
	return state.State{b.id: {"bundle": json.RawMessage("true")}}
}

// Plan implements driver.Action.
func (b *bundling) Plan(state.State) (state.State, error) { return b.state(true), nil }

// Costs implements driver.Costly: what is deleted cannot be had back.
func (b *bundling) Costs(before, want state.State) string {
	r := b.p.retention
	switch {
	case len(before[b.id]) == len(want[b.id]) || !r.given():
		return ""
	case r.KeepFor > 0:
		return fmt.Sprintf("of the bundles in %s the newest %d and those younger than %s stay, and the newest that was proved; others are deleted for good", b.shelf.dir, max(r.Keep, 1), r.KeepFor)
	}
	return fmt.Sprintf("of the bundles in %s the newest %d stay, and the newest that was proved; others are deleted for good", b.shelf.dir, r.Keep)
}

// cursor names the directory that is about to appear.
type cursor struct {
	Dir  string   `json:"dir"`
	Says []string `json:"says"`
	Gone []string `json:"gone,omitempty"` // older ones that are deleted for it
}

// Undo leaves the bundle: it is a copy, and data. What is half-done goes.
func (b *bundling) Undo(_ context.Context, e driver.Effect) error {
	if len(e.Before[b.id]) > 0 {
		return nil
	}
	if err := b.shelf.tidy(e.Mine); err != nil {
		return err
	}
	if e.Cursor == nil {
		return nil
	}
	var cur cursor
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("cursor of backup.bundle: %w", err)
	}
	dir := filepath.Join(b.shelf.dir, filepath.Base(cur.Dir))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for the bundle: %w", err)
	}
	if err := e.Mine(); err != nil { // it is for whoever holds the lease to report
		return err
	}
	cost := "a copy of " + strings.Join(cur.Says, ", ") + " as it was; it is in nobody's way"
	if len(cur.Gone) > 0 {
		cost += "; older bundles were deleted for it, and are gone: " + strings.Join(cur.Gone, ", ")
	}
	return &driver.Kept{
		What:   "bundle " + dir,
		Cost:   cost,
		Hint:   "rm -r " + dir,
		Fields: map[string][]string{b.id: {"*"}},
	}
}
