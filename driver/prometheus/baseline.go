package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type baselineParams struct {
	File    string            `param:"file,required" doc:"The file that the numbers are written to. One that holds a baseline already is replaced; undo puts it back."`
	Queries map[string]string `param:"queries,required" doc:"PromQL by name; each gives one number."`
	Within  time.Duration     `param:"within" doc:"How long to wait until every query has its number." default:"1m"`
}

const defaultWithin = time.Minute

var baselineName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// Validate refuses what can give no baseline.
func (p baselineParams) Validate() error {
	switch {
	case p.File == "":
		return &runbook.FieldError{Field: "file", Problem: "a file needs a name", Remedy: "write a path"}
	case len(p.Queries) == 0:
		return &runbook.FieldError{Field: "queries", Problem: "there is no query", Remedy: "write {name: PromQL}"}
	}
	for _, n := range slices.Sorted(maps.Keys(p.Queries)) {
		if !baselineName.MatchString(n) {
			return &runbook.FieldError{Field: "queries", Problem: fmt.Sprintf("%q is no name", n), Remedy: "write small letters, digits and dashes, as in ingest-rate"}
		}
		if strings.TrimSpace(p.Queries[n]) == "" {
			return &runbook.FieldError{Field: "queries", Problem: "the query of " + n + " is empty", Remedy: "write PromQL"}
		}
	}
	return nil
}

// baseline takes numbers into a file, for promql.near to compare with later.
//
// It owns what the file says: whose numbers, and which. Which they will be
// nobody can plan: what is wanted is that they were taken (taken: true), which
// Observe does not speak of, so that a file of an earlier run never passes for
// this run's.
type baseline struct {
	s    *Server
	p    baselineParams
	path string
	id   string
}

func baselineAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "promql.baseline", On: kind, Resumable: true,
		Doc: "Takes the number of each query into a file, as what promql.near compares with later. Fails, naming them, when queries give no number in time.",
	}, newBaseline)
}

func newBaseline(_ context.Context, s *Server, p baselineParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	path, err := disk.Real(p.File)
	if err != nil {
		return nil, err
	}
	if p.Within <= 0 {
		p.Within = defaultWithin
	}
	return &baseline{s, p, path, "file:" + path}, nil
}

func (a *baseline) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "baseline in " + a.path}}
}

// owned is what the file says, without how it is laid out; nil while there is
// none.
type owned struct {
	Queries map[string]string `json:"queries"`
	Numbers map[string]gauged `json:"numbers,omitempty"`
	Foreign string            `json:"foreign,omitempty"` // why it is no file of baselines
	Taken   bool              `json:"taken,omitempty"`
}

type gauged struct {
	Value  float64   `json:"value"`
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
}

func (o owned) book() *book {
	if len(o.Queries) == 0 {
		return nil
	}
	b := &book{map[string]measured{}}
	for n, q := range o.Queries {
		g := o.Numbers[n]
		b.Baseline[n] = measured{q, g.Value, g.Time, g.Source}
	}
	return b
}

func (a *baseline) Observe(context.Context) (state.State, error) {
	b, err := readBook(a.path)
	if other, ok := errors.AsType[*notOurs](err); ok {
		return state.Of(a.id, owned{Foreign: other.why}), nil
	}
	if err != nil {
		return nil, err
	}
	return a.state(b, false), nil
}

func (a *baseline) state(b *book, taken bool) state.State {
	o := owned{Taken: taken}
	if b != nil {
		o.Queries, o.Numbers = map[string]string{}, map[string]gauged{}
		for n, m := range b.Baseline {
			o.Queries[n], o.Numbers[n] = m.Query, gauged{m.Value, m.Time, m.Source}
		}
	}
	return state.Of(a.id, o)
}

func (a *baseline) Plan(before state.State) (state.State, error) {
	var is owned
	if _, err := before.Decode(a.id, &is); err != nil {
		return nil, err
	}
	if is.Foreign != "" {
		return nil, &driver.Refusal{System: "file " + a.path, Reason: "it is there, and is no file of baselines: " + is.Foreign, Remedy: "name another file"}
	}
	return state.Of(a.id, owned{Queries: a.p.Queries, Taken: true}), nil
}

// Apply takes the numbers, says which in the cursor, and writes them.
func (a *baseline) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	mine, err := a.written(e)
	if err != nil {
		return nil, err
	}
	if mine == nil {
		if _, err := os.Stat(filepath.Dir(a.path)); err != nil { // before the numbers are waited for
			return nil, fmt.Errorf("directory of the baseline: %w", err)
		}
		if mine, err = a.take(ctx); err != nil {
			return nil, err
		}
		if err := e.Save(ctx, mine); err != nil {
			return nil, err
		}
	}
	there, err := readBook(a.path)
	if err != nil {
		return nil, err
	}
	if !there.equal(mine) {
		if err := e.Mine(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := mine.write(a.path); err != nil {
			return nil, err
		}
	}
	return a.state(mine, true), nil
}

// Resume goes on with the numbers that were taken before the crash.
func (a *baseline) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// written is what an earlier attempt wrote, or was about to; nil if none was.
func (a *baseline) written(e driver.Effect) (*book, error) {
	if e.Cursor == nil {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	var b book
	if err := json.Unmarshal(e.Cursor, &b); err != nil {
		return nil, fmt.Errorf("cursor of promql.baseline: %w", err)
	}
	return &b, nil
}

func (b *book) equal(other *book) bool {
	if b == nil || other == nil {
		return b == other
	}
	return maps.EqualFunc(b.Baseline, other.Baseline, func(x, y measured) bool {
		return x.Query == y.Query && x.Value == y.Value && x.Source == y.Source && x.Time.Equal(y.Time)
	})
}

const askEvery = time.Second

// take asks until every query has given its number.
func (a *baseline) take(ctx context.Context) (*book, error) {
	ctx, cancel := context.WithTimeout(ctx, a.p.Within)
	defer cancel()
	b := &book{Baseline: map[string]measured{}}
	problems := map[string]string{}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		for _, n := range slices.Sorted(maps.Keys(a.p.Queries)) {
			if _, has := b.Baseline[n]; has {
				continue
			}
			v, ok, err := a.s.Number(ctx, a.p.Queries[n])
			switch {
			case err != nil && ctx.Err() != nil && problems[n] != "": // not merely that the time was over
			case err != nil:
				problems[n] = err.Error()
			case !ok:
				problems[n] = "no data: no series answers the query"
			case math.IsInf(v, 0):
				problems[n] = fmt.Sprintf("the value is %g", v)
			default:
				b.Baseline[n] = measured{a.p.Queries[n], v, time.Now().UTC().Truncate(time.Millisecond), a.s.String()}
				delete(problems, n)
			}
		}
		if len(b.Baseline) == len(a.p.Queries) {
			return b, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			var missing []string
			for _, n := range slices.Sorted(maps.Keys(problems)) {
				missing = append(missing, n+" ("+problems[n]+")")
			}
			return nil, fmt.Errorf("%s: no number within %s for %s: %w", a.s, a.p.Within, strings.Join(missing, "; "), ctx.Err())
		}
	}
}

// Undo puts back what was there before, if the file is still as it was written.
func (a *baseline) Undo(_ context.Context, e driver.Effect) error {
	mine, err := a.written(e)
	if err != nil || mine == nil {
		return err
	}
	var was owned
	if _, err := e.Before.Decode(a.id, &was); err != nil {
		return err
	}
	before := was.book()
	there, err := readBook(a.path)
	_, foreign := errors.AsType[*notOurs](err)
	switch {
	case err != nil && !foreign:
		return err
	case err == nil && there.equal(before):
		return nil
	case foreign, there != nil && !there.equal(mine):
		return &driver.Kept{
			What: "file " + a.path, Cost: "somebody changed the baseline since it was taken",
			Hint: "rm " + a.path, Fields: map[string][]string{a.id: {"*"}},
		}
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if before == nil {
		return removeBook(a.path)
	}
	return before.write(a.path)
}
