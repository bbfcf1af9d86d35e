package shadow

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/compare"
	"github.com/segue-run/segue/compare/diff"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge/tee"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type compareParams struct {
	Sample    runbook.Percent `param:"sample,required" doc:"The share of the copies that are compared, one at a time: 5%."`
	Endpoints []string        `param:"endpoints" doc:"How paths with ids are counted: [/robots/{id}]. Else a part of a path with digits is one."`
	diff.Rules
}

// Validate implements what types cannot say.
func (p compareParams) Validate() error {
	if p.Sample < 0 || p.Sample > 100 {
		return &runbook.FieldError{Field: "sample", Problem: "that is no share", Remedy: "write 5%"}
	}
	if slices.ContainsFunc(p.Endpoints, func(s string) bool { return !strings.HasPrefix(s, "/") }) {
		return &runbook.FieldError{Field: "endpoints", Problem: "that is no path", Remedy: "write /robots/{id}"}
	}
	return p.Rules.Validate()
}

// comparison has a tee compare what it replays. It owns what the tee compares
// by; what that shows is the tee's.
type comparison struct {
	conn     *Conn
	want     tee.Comparison
	resource driver.Resource
}

func compareAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "shadow.compare", On: kind, Background: true,
		Doc: "Has the tee ask the live system, too, what it replays to the new one, for a sample of the copies, and compare the answers as http.compare does. While the run goes on the tee is kept told, though it restarts. Undoing it ends that, or goes back to what was compared before.",
	}, func(_ context.Context, conn *Conn, p compareParams) (driver.Action, error) {
		return newComparison(conn, p)
	})
}

func newComparison(conn *Conn, p compareParams) (*comparison, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("shadow.compare: %w", err)
	}
	return &comparison{
		conn: conn, want: tee.Comparison{Sample: float64(p.Sample) / 100, Endpoints: p.Endpoints, Rules: p.Rules},
		resource: driver.Resource{ID: "tee:" + conn.at + "/compare", Name: "what " + conn.String() + " compares"},
	}, nil
}

func (a *comparison) Resources() []driver.Resource { return []driver.Resource{a.resource} }

// face is a comparison as a state.
func (a *comparison) face(is tee.Comparison) (state.State, error) {
	raw, err := json.Marshal(is)
	if err != nil {
		return nil, fmt.Errorf("shadow.compare: %w", err)
	}
	return state.State{a.resource.ID: {"comparison": raw}}, nil
}

func (a *comparison) read(s state.State) (is tee.Comparison, err error) {
	if err := json.Unmarshal(s[a.resource.ID]["comparison"], &is); err != nil {
		return is, fmt.Errorf("shadow.compare: what was compared before: %w", err)
	}
	return is, nil
}

// Observe reads what the tee compares.
func (a *comparison) Observe(ctx context.Context) (state.State, error) {
	now, err := a.conn.compared(ctx)
	if err != nil {
		return nil, err
	}
	return a.face(now.Comparison)
}

// Survey also sees whether the tee knows a live system.
func (a *comparison) Survey(ctx context.Context) (state.State, error) {
	now, err := a.conn.compared(ctx)
	if err != nil {
		return nil, err
	}
	if now.Live == "" && a.want.Sample > 0 {
		return nil, &driver.Refusal{System: a.conn.String(), Reason: "it does not know whom to compare with", Remedy: "start it with --live http://host:port of the system that serves the clients"}
	}
	return state.State{}, nil
}

func (a *comparison) Plan(state.State) (state.State, error) { return a.face(a.want) }

// PlanAmong plans as Plan does: what Survey sees it refuses by itself.
func (a *comparison) PlanAmong(before, _ state.State) (state.State, error) { return a.Plan(before) }

func (a *comparison) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	return e.Want, a.set(ctx, e, e.Want)
}

func (a *comparison) Undo(ctx context.Context, e driver.Effect) error { return a.set(ctx, e, e.Before) }

// set makes the tee compare so, unless it does: its counts begin anew with that.
func (a *comparison) set(ctx context.Context, e driver.Effect, to state.State) error {
	now, err := a.Observe(ctx)
	if err != nil {
		return err
	}
	if len(state.Diff(state.Face(now), state.Face(to))) == 0 {
		return nil
	}
	is, err := a.read(to)
	if err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	return a.conn.compare(ctx, is)
}

// keepEvery is how often it is looked whether the tee still compares.
const keepEvery = 2 * time.Second

// Run keeps the tee told: one that has restarted has forgotten. Its cursor is
// how the comparison stands.
func (a *comparison) Run(ctx context.Context, e driver.Effect) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	var told progress
	for {
		if err := a.set(ctx, e, e.Want); err != nil {
			return err
		}
		now, err := a.conn.compared(ctx)
		if err != nil {
			return err
		}
		if p := progressOf(now); p != told {
			if err := e.Save(ctx, p); err != nil {
				return err
			}
			told = p
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// progress is what of a comparison goes into the journal: whenever what is
// known of differences changes, and for each power of two of pairs.
type progress struct {
	Since       time.Time `json:"since"`
	Magnitude   int       `json:"pairs_log2"`
	Differences int       `json:"differences"`
	Unclear     int       `json:"unclear"`
}

// Staleness is how long ago a copy was compared.
func (a *comparison) Staleness(ctx context.Context) (time.Duration, error) {
	now, err := a.conn.compared(ctx)
	if err != nil {
		return 0, err
	}
	last := now.Last
	if last.IsZero() {
		last = now.Since
	}
	if last.IsZero() {
		return 0, nil
	}
	return time.Since(last), nil
}

func progressOf(now tee.Compared) progress {
	return progress{
		Since: now.Since, Magnitude: bits.Len64(uint64(max(now.Report.Pairs, 0))), //nolint:gosec // it is not negative
		Differences: now.Report.Judged(compare.Difference), Unclear: now.Report.Judged(compare.Unclear),
	}
}
