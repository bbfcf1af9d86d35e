package integrity

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type reconcileParams struct {
	From  driver.Via[driver.RecordReader] `param:"from,required" doc:"The connection whose records are the truth."`
	Read  driver.Place                    `param:"read,required" of:"from" doc:"Where its records are."`
	To    driver.Via[driver.RecordWriter] `param:"to,required" doc:"The connection that is repaired; it must also give records back from where they are written: PostgreSQL, Redis and NATS do."`
	Write driver.Place                    `param:"write,required" of:"to" doc:"Where its records are."`
	Copy  []string                        `param:"copy" doc:"Fields that are taken as they are, as in sync.once."`
	Map   map[string]any                  `param:"map" doc:"What is made of the records before they are compared and written, as in sync.once."`
	choice
	Extra    string         `param:"extra" enum:"keep|delete" default:"keep" doc:"What becomes of records that the truth does not have."`
	Settle   *time.Duration `param:"settle" doc:"What differs is looked at again after this long, and only repaired when it is the same then." default:"2s"`
	Patience time.Duration  `param:"patience" doc:"How long records are looked at again that keep changing; they are left as they are." default:"30s"`
	Bears    int            `param:"bears" doc:"How many records that cannot be read, or made into what the repaired side has, are borne. While there is one, none is taken away, as it may be the one that seems to be too many." default:"0"`
	Limit    int            `param:"limit" doc:"How many records are repaired at most; with one more nothing is." default:"10000"`
	Keep     string         `param:"keep,required" doc:"The file to which records are written as they were before, for undo. It has what they hold: its mode is 0600."`
}

// Validate implements what types cannot say.
func (p reconcileParams) Validate() error {
	switch {
	case p.Settle != nil && *p.Settle < 0, p.Patience < 0:
		return &runbook.FieldError{Field: "settle", Problem: "a time is negative", Remedy: "write 2s"}
	case p.Bears < 0:
		return &runbook.FieldError{Field: "bears", Problem: "it is negative", Remedy: "write how many there may be, as in 25"}
	case p.Limit < 0:
		return &runbook.FieldError{Field: "limit", Problem: "it is negative", Remedy: "write 10000"}
	case p.Keep == "":
		return &runbook.FieldError{Field: "keep", Problem: "there is no file", Remedy: "name one that is not there yet"}
	}
	_, err := sides{Copy: p.Copy, Map: p.Map}.mapping()
	return err
}

// reconcile repairs one side. It owns that the two do not differ, and shows how
// only while they do: what differs later is somebody else's doing, and no drift.
type reconcile struct {
	p    reconcileParams
	of   pair[place]
	to   driver.RecordWriter
	id   driver.Resource
	keep string // the real path
}

func reconcileAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "data.reconcile", Resumable: true,
		Doc: "Makes one side's records what the other side's, the truth, are: writes those that are missing or differ, and takes away those that are too many if that is asked for. What was there before is kept, and undo puts it back where nobody has changed it since.",
	}, func(ctx context.Context, _ driver.Conn, p reconcileParams) (driver.Action, error) {
		return newReconcile(ctx, p)
	})
}

func newReconcile(ctx context.Context, p reconcileParams) (*reconcile, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("data.reconcile: %w", err)
	}
	made, err := sides{Copy: p.Copy, Map: p.Map}.mapping()
	if err != nil {
		return nil, err
	}
	from, err := p.From.Open(ctx)
	if err != nil {
		return nil, err
	}
	to, err := p.To.Open(ctx)
	if err != nil {
		return nil, err
	}
	back, ok := to.(driver.RecordKeeper)
	if !ok {
		return nil, refuse(fmt.Sprintf("%s takes records and does not give them back from where they are written, so that nobody can say what differs", p.To), "repair it with sync.once, or compare another place")
	}
	a := &reconcile{p: p, of: pair[place]{place{from, p.Read, from.Source, made}, place{back, p.Write, back.Kept, nil}}, to: to}
	if a.keep, err = disk.Real(p.Keep); err != nil {
		return nil, fmt.Errorf("data.reconcile: keep: %w", err)
	}
	return a, a.identify(ctx)
}

// identify asks the side that is repaired what it is.
func (a *reconcile) identify(ctx context.Context) error {
	source, err := a.of.right.open(ctx, a.of.right.at)
	if err != nil {
		return fmt.Errorf("data.reconcile: read back what is repaired: %w", err)
	}
	a.id = driver.Resource{ID: source.ID(), Name: "records of " + a.p.To.String()}
	return source.Close()
}

// Resources implements driver.Action.
func (a *reconcile) Resources() []driver.Resource { return []driver.Resource{a.id} }

// differing is what the action owns.
type differing struct {
	Different int64            `json:"different,omitempty"`
	Fields    map[string]int64 `json:"by-field,omitempty"`
	Missing   int64            `json:"missing,omitempty"`
	Extra     int64            `json:"extra,omitempty"`
	Keys      []string         `json:"such-as,omitempty"`
}

// Observe implements driver.Action.
func (a *reconcile) Observe(ctx context.Context) (state.State, error) {
	report, err := a.comparison().run(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := a.repairable(report); err != nil {
		return nil, err
	}
	return a.state(report), nil
}

// repairable refuses what is more than single records that are wrong.
func (a *reconcile) repairable(r *Report) error {
	switch {
	case r.More || r.Doubled > 0 || r.Bad > r.Bears:
		return refuse("as of "+r.AsOf.UTC().Format(time.RFC3339)+": "+r.String(), "look with data.equal at what is wrong; only single records are repaired, at most as many as limit says, and with as many that cannot be read as bears says")
	case r.Bad > 0 && r.Extra > 0 && a.p.Extra == "delete":
		return refuse(fmt.Sprintf("as of %s: %s; those that cannot be read may be the ones that seem to be too many", r.AsOf.UTC().Format(time.RFC3339), r), "mend them, or leave extra: delete out")
	}
	return nil
}

func (a *reconcile) state(r *Report) state.State {
	now := differing{Different: r.Different, Fields: r.Fields, Missing: r.Missing}
	if a.p.Extra == "delete" {
		now.Extra = r.Extra
	}
	for _, e := range r.Examples {
		if e.What != "extra" || a.p.Extra == "delete" {
			now.Keys = append(now.Keys, "["+e.Key+"] "+e.What)
		}
	}
	return state.Of(a.id.ID, now)
}

func (a *reconcile) comparison() comparison {
	settle := 2 * time.Second
	if a.p.Settle != nil {
		settle = *a.p.Settle
	}
	return comparison{of: a.of, choice: a.p.choice, limit: or(a.p.Limit, 10_000), examples: 10, bears: a.p.Bears, settle: settle, patience: or(a.p.Patience, 30*time.Second)}
}

// Plan implements driver.Action.
func (a *reconcile) Plan(state.State) (state.State, error) {
	return state.Of(a.id.ID, differing{}), nil
}

// Costs implements driver.Costly.
func (a *reconcile) Costs(before, _ state.State) string {
	var was differing
	if ok, err := before.Decode(a.id.ID, &was); err != nil || !ok || was.Different+was.Missing+was.Extra == 0 {
		return ""
	}
	return fmt.Sprintf("%d records are overwritten, %d written and %d deleted; what was there is kept in %s", was.Different, was.Missing, was.Extra, a.keep)
}

// Resume implements driver.Resumable.
func (a *reconcile) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// repairs is the cursor: from it on there may be something to undo, for which the
// truth need not be there.
type repairs struct {
	Keep string       `json:"keep"`
	Form *driver.Form `json:"form,omitempty"`
}

// Apply implements driver.Action.
func (a *reconcile) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	form, err := a.form(ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.repairer(ctx, form)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var wrong [][]string
	report, err := a.comparison().run(ctx, func(l look) {
		if len(l.sides.left) > 0 || a.p.Extra == "delete" {
			wrong = append(wrong, l.key)
		}
	})
	if err == nil {
		err = a.repairable(report)
	}
	switch {
	case err != nil:
		return nil, err
	case len(wrong) == 0:
		return a.state(report), nil
	}
	if e.Cursor == nil {
		if _, err := os.Stat(a.keep); err == nil {
			return nil, refuse(a.keep+" is there already, and may hold what another step kept", "name another file in keep, or move it away")
		}
		if err := e.Save(ctx, repairs{a.keep, form}); err != nil {
			return nil, err
		}
	}
	if err := r.repair(ctx, e, wrong); err != nil {
		return nil, fmt.Errorf("repair %s: %w", a.id.Name, err)
	}
	return a.Observe(ctx) // the check afterwards
}

// Undo implements driver.Action: it puts back what was there before, where what
// was written is still there.
func (a *reconcile) Undo(ctx context.Context, e driver.Effect) error {
	if e.Cursor == nil {
		return nil
	}
	var cur repairs
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("cursor of data.reconcile: %w", err)
	}
	r, err := a.repairer(ctx, cur.Form)
	if err != nil {
		return err
	}
	defer r.close()
	kept, err := r.putBack(ctx, e, cur.Keep)
	if err != nil {
		return fmt.Errorf("undo the repair of %s: %w", a.id.Name, err)
	}
	if kept > 0 {
		return &driver.Kept{
			What:   fmt.Sprintf("%d records of %s as they are now", kept, a.p.To),
			Cost:   "somebody has changed them since they were repaired",
			Hint:   "what they were before the repair is in " + cur.Keep,
			Fields: map[string][]string{a.id.ID: {"*"}},
		}
	}
	return nil
}
