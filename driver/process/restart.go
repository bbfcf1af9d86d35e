package process

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

type restartParams struct{ rolling }

// Validate implements what types cannot say.
func (p restartParams) Validate() error { return p.asking.validate() }

// counted is the part that tells how often process.restart has restarted a
// replica. The number is in the definition that the restart puts in place, so
// the two cannot be apart: after a crash, who has the wanted number was
// restarted, and who has not was not.
type counted struct{}

func (counted) field() string { return "restarts" }

func (counted) read(d definition) json.RawMessage { return encode(d.marks().Restarts) }

func (counted) write(d definition, raw json.RawMessage) (definition, error) {
	m := d.marks()
	if err := json.Unmarshal(raw, &m.Restarts); err != nil {
		return nil, fmt.Errorf("restarts: %w", err)
	}
	return d.withMarks(m), nil
}

// restart replaces each replica by one like it. It owns the number of times
// that was done.
type restart struct{ *change }

func restartAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "process.restart", On: kind, Resumable: true,
		Doc: "Restarts a service's replicas one after the other. Undoing it restarts nothing: there is nothing to restore.",
	}, newRestart)
}

func newRestart(ctx context.Context, conn *Conn, p restartParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process.restart: %w", err)
	}
	c, err := newChange(ctx, conn, p.rolling, []setting{{part: counted{}}})
	if err != nil {
		return nil, err
	}
	return &restart{c}, nil
}

func (r *restart) Plan(before state.State) (state.State, error) { return r.PlanAmong(before, nil) }

// PlanAmong wants one more restart of each replica, counted from the one that
// has had most.
func (r *restart) PlanAmong(before, others state.State) (state.State, error) {
	t, err := targetOf(before, r.resource.ID, r.parts())
	if err != nil {
		return nil, err
	}
	most := 0
	had := t.fields[counted{}.field()]
	for _, raw := range append(had.values(), encode(0)) {
		var n int
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fmt.Errorf("restarts of %s: %w", r.resource.Name, err)
		}
		most = max(most, n)
	}
	return state.State{r.resource.ID: {stoppedField: encode(r.idle(before, others)), counted{}.field(): encode(most + 1)}}, nil
}

// Undo starts a replica that a crash has left stopped, and leaves the others
// alone. It says so where one was restarted.
func (r *restart) Undo(ctx context.Context, e driver.Effect) error {
	only := state.State{r.resource.ID: {stoppedField: e.Before[r.resource.ID][stoppedField]}}
	if err := r.roll(ctx, e, only, true); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	found, err := r.Observe(ctx)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if len(state.Diff(state.Face(e.Before), state.Face(found))) == 0 {
		return nil
	}
	if err := e.Mine(); err != nil { // not a predecessor's word
		return fmt.Errorf("undo: %w", err)
	}
	return &driver.Kept{
		What:   "the restart of " + r.resource.Name,
		Cost:   "none: its replicas run what they ran before",
		Fields: map[string][]string{r.resource.ID: {counted{}.field()}},
	}
}
