package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// Parts are the simulated driver, as one process reaches the world.
func (p *Process) Parts() []driver.Part {
	return []driver.Part{
		driver.Acts(driver.About{Name: "sim.set", Doc: "Sets cells, one write each."},
			func(_ context.Context, _ driver.Conn, q setParams) (driver.Action, error) { return &set{p, q}, nil }),
		driver.Acts(driver.About{Name: "sim.count", Doc: "Counts a cell up, one write a number.", Resumable: true},
			func(_ context.Context, _ driver.Conn, q countParams) (driver.Action, error) { return &count{p, q}, nil }),
		driver.Acts(driver.About{Name: "sim.hang", Doc: "Never ends; may ignore its cancellation."},
			func(_ context.Context, _ driver.Conn, q hangParams) (driver.Action, error) { return &hang{p, q}, nil }),
		driver.Acts(driver.About{Name: "sim.panic", Doc: "Sets a cell, and panics in one of its methods."},
			func(_ context.Context, _ driver.Conn, q panicParams) (driver.Action, error) {
				return &panics{set{p, setParams{[]string{q.Cell}, "set"}}, q}, nil
			}),
		driver.Acts(driver.About{Name: "sim.own", Doc: "Sets cells, and refuses to where somebody else has, unless it restores."},
			func(_ context.Context, _ driver.Conn, q setParams) (driver.Action, error) {
				return &own{set{p, q}}, nil
			}),
		driver.Connects(driver.About{Name: "sim.phone", Doc: "Tells nobody: who is told is the journal's to say."},
			func(context.Context, phoneParams) (phone, error) { return phone{}, nil }),
		driver.Acts(driver.About{Name: "sim.carry", Doc: "Carries one cell over to another.", Background: true},
			func(_ context.Context, _ driver.Conn, q carryParams) (driver.Action, error) {
				return &carry{p: p, q: q}, nil
			}),
		driver.Checks(driver.About{Name: "sim.cell", Doc: "A cell holds a value."},
			func(_ context.Context, _ driver.Conn, q cellParams) (driver.Check, error) { return &cell{p, q}, nil }),
	}
}

type setParams struct {
	Cells []string `param:"cells,required" doc:"the cells"`
	To    string   `param:"to,required" doc:"what they are to hold"`
}

type cellFields struct {
	Value string `json:"value"`
}

func id(cell string) string { return "sim/cell/" + cell }

func observe(ctx context.Context, p *Process, cells []string) (state.State, error) {
	out := state.State{}
	for _, c := range cells {
		v, err := p.read(ctx, c)
		if err != nil {
			return nil, err
		}
		out = out.With(state.Of(id(c), cellFields{v}))
	}
	return out, nil
}

func resources(cells []string) []driver.Resource {
	var out []driver.Resource
	for _, c := range cells {
		out = append(out, driver.Resource{ID: id(c), Name: "cell " + c})
	}
	return out
}

// put writes what s says of the cells, those that differ.
func put(ctx context.Context, p *Process, cells []string, s state.State, e driver.Effect) error {
	for _, c := range cells {
		var f cellFields
		if _, err := s.Decode(id(c), &f); err != nil {
			return err
		}
		now, err := p.read(ctx, c)
		if err != nil {
			return err
		}
		if now == f.Value {
			continue
		}
		if err := e.Mine(); err != nil {
			return err
		}
		if err := p.write(ctx, c, f.Value); err != nil {
			return err
		}
	}
	return nil
}

type set struct {
	p *Process
	q setParams
}

func (s *set) Resources() []driver.Resource { return resources(s.q.Cells) }

func (s *set) Observe(ctx context.Context) (state.State, error) { return observe(ctx, s.p, s.q.Cells) }

func (s *set) Plan(state.State) (state.State, error) {
	want := state.State{}
	for _, c := range s.q.Cells {
		want = want.With(state.Of(id(c), cellFields{s.q.To}))
	}
	return want, nil
}

func (s *set) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := put(ctx, s.p, s.q.Cells, e.Want, e); err != nil {
		return nil, err
	}
	return s.Observe(ctx)
}

func (s *set) Undo(ctx context.Context, e driver.Effect) error {
	return put(ctx, s.p, s.q.Cells, e.Before, e)
}

// Witness looks at the cells; in the real world it would ask somebody else.
func (s *set) Witness(ctx context.Context, want state.State) error {
	now, err := s.Observe(ctx)
	if err != nil {
		return err
	}
	if d := state.Diff(state.Face(want), state.Face(now)); len(d) > 0 {
		return fmt.Errorf("the world serves something else: %v", d)
	}
	return nil
}

type countParams struct {
	Cell string `param:"cell,required" doc:"the cell"`
	To   int    `param:"to,required" doc:"how far"`
}

type count struct {
	p *Process
	q countParams
}

type counted struct {
	At int `json:"at"`
}

func (c *count) Resources() []driver.Resource { return resources([]string{c.q.Cell}) }

func (c *count) Observe(ctx context.Context) (state.State, error) {
	return observe(ctx, c.p, []string{c.q.Cell})
}

func (c *count) Plan(state.State) (state.State, error) {
	return state.Of(id(c.q.Cell), cellFields{strconv.Itoa(c.q.To)}), nil
}

func (c *count) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	return c.from(ctx, e, 0)
}

func (c *count) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	var at counted
	if err := json.Unmarshal(e.Cursor, &at); err != nil {
		return nil, err
	}
	if after, err := c.from(ctx, e, at.At); err != nil || len(state.Drift(state.Face(e.Want), state.Face(after))) == 0 {
		return after, err
	}
	return c.from(ctx, e, 0) // the cursor promised more than the world kept
}

func (c *count) from(ctx context.Context, e driver.Effect, at int) (state.State, error) {
	for n := at + 1; n <= c.q.To; n++ {
		if err := e.Mine(); err != nil {
			return nil, err
		}
		if err := c.p.write(ctx, c.q.Cell, strconv.Itoa(n)); err != nil {
			return nil, err
		}
		if err := e.Save(ctx, counted{n}); err != nil {
			return nil, err
		}
		driver.Tell(ctx, driver.Progress{Done: float64(n), Of: float64(c.q.To), What: "numbers"})
	}
	return c.Observe(ctx)
}

func (c *count) Undo(ctx context.Context, e driver.Effect) error {
	return put(ctx, c.p, []string{c.q.Cell}, e.Before, e)
}

type hangParams struct {
	Cell    string `param:"cell,required" doc:"the cell it would set"`
	Ignores bool   `param:"ignores" doc:"it ignores its cancellation for a while"`
}

type hang struct {
	p *Process
	q hangParams
}

func (h *hang) Resources() []driver.Resource { return resources([]string{h.q.Cell}) }

func (h *hang) Observe(ctx context.Context) (state.State, error) {
	return observe(ctx, h.p, []string{h.q.Cell})
}

func (h *hang) Plan(state.State) (state.State, error) {
	return state.Of(id(h.q.Cell), cellFields{"hung"}), nil
}

// Hang is how long a hanging apply that ignores its cancellation takes.
const Hang = 30 * time.Second

func (h *hang) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if !h.q.Ignores {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := sleep(context.WithoutCancel(ctx), Hang); err != nil {
		return nil, err
	}
	if err := h.p.write(context.WithoutCancel(ctx), h.q.Cell, "hung"); err != nil {
		return nil, err
	}
	return h.Observe(context.WithoutCancel(ctx))
}

func (h *hang) Undo(ctx context.Context, e driver.Effect) error {
	return put(ctx, h.p, []string{h.q.Cell}, e.Before, e)
}

type panicParams struct {
	Cell string `param:"cell,required" doc:"the cell it would set"`
	In   string `param:"in,required" doc:"the method that panics"`
}

// panics is a driver with a fault.
type panics struct {
	set
	q panicParams
}

func (a *panics) in(method string) {
	if a.q.In == method {
		panic("a fault of the driver, in " + method)
	}
}

func (a *panics) Observe(ctx context.Context) (state.State, error) {
	a.in("observe")
	return a.set.Observe(ctx)
}

func (a *panics) Plan(s state.State) (state.State, error) {
	a.in("plan")
	return a.set.Plan(s)
}

func (a *panics) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	a.in("apply")
	return a.set.Apply(ctx, e)
}

func (a *panics) Undo(ctx context.Context, e driver.Effect) error {
	a.in("undo")
	return a.set.Undo(ctx, e)
}

func (a *panics) Witness(ctx context.Context, s state.State) error {
	a.in("witness")
	return a.set.Witness(ctx, s)
}

type cellParams struct {
	Cell string `param:"cell,required" doc:"the cell"`
	Is   string `param:"is" doc:"what it must hold"`
	Not  string `param:"not" doc:"what it must not hold"`

	Takes   time.Duration `param:"takes" doc:"how long the answer takes"`
	Timeout time.Duration `param:"timeout" doc:"how long it may take"`
}

type cell struct {
	p *Process
	q cellParams
}

func (c *cell) Read(ctx context.Context) evidence.Reading {
	if c.q.Takes > 0 {
		select {
		case <-time.After(c.q.Takes):
		case <-ctx.Done():
			return evidence.Unsure(ctx.Err().Error())
		}
	}
	v, err := c.p.read(ctx, c.q.Cell)
	switch {
	case err != nil:
		return evidence.Unsure(err.Error())
	case v == "panic":
		panic("a fault of the driver")
	case v == "unknown":
		return evidence.Unsure("the cell says so")
	case c.q.Is != "" && v != c.q.Is:
		return evidence.Failed(v, c.q.Is, "another value")
	case c.q.Not != "" && v == c.q.Not:
		return evidence.Failed(v, "not "+c.q.Not, "that value")
	}
	return evidence.Passed(v, c.q.Is)
}
