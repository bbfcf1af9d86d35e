package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
)

// A Cost is what a rollback to the start would lose now, as far as one sync that
// carries writes back can say it.
type Cost struct {
	Step string `json:"step"`
	// Known: its undo has little to bring over, by what it said at At.
	Known bool `json:"known"`
	// Since: what was written before is over; zero when that is not known, either.
	Since time.Time `json:"since,omitzero"`
	At    time.Time `json:"at,omitzero"`
	Why   string    `json:"why,omitempty"` // it is not known
	now   time.Time
}

// silence is how old the word of background work may be: it is asked every two
// seconds.
const silence = 10 * time.Second

// costs are what a rollback would lose now, by the steps that it would undo and
// whose undo drains.
func (v viewer) costs(holder string) []Cost {
	if v.s.Status.Final() || v.s.Status == engine.RollingBack {
		return nil
	}
	var out []Cost
	for i, id := range v.s.Order {
		if def, ok := v.rb.Step(id); ok && i > slices.Index(v.s.Order, v.s.Floor) &&
			v.s.Steps[id].Stage == engine.Done && def.Kind.Drains != nil && def.Kind.Drains(def.Params) {
			out = append(out, v.cost(id, holder))
		}
	}
	return out
}

func (v viewer) cost(step, holder string) Cost {
	c := Cost{Step: step, now: v.now}
	said := v.s.Checks[engine.Behind(step)]
	if said == nil {
		if c.Why = "it has not said yet how far it is"; holder == "" {
			c.Why = "nobody carries the run out"
		}
		return c
	}
	r := said.Reading
	c.At = r.At
	if d, err := time.ParseDuration(r.Value); err == nil {
		c.Since = r.At.Add(-d)
	}
	switch {
	case holder == "":
		c.Why = "nobody carries the run out"
	case r.Verdict != evidence.Pass:
		c.Why = r.Detail
	case v.now.Sub(r.At) > silence:
		c.Why = "it has not said since then how far it is"
	default:
		c.Known = true
	}
	return c
}

// Text is the cost, in a line.
func (c Cost) Text() string {
	if c.Known {
		return fmt.Sprintf("loses nothing: %s is %s behind as of %s UTC, and its undo brings that over", c.Step, Span(c.At.Sub(c.Since)), moment(c.At, c.now))
	}
	text := "may lose what was written"
	if !c.Since.IsZero() {
		text += " since " + moment(c.Since, c.now) + " UTC"
	}
	text = fmt.Sprintf("%s, unless the undo of %s can bring it over: not known", text, c.Step)
	if !c.At.IsZero() {
		text += " as of " + moment(c.At, c.now) + " UTC"
	}
	return text + ": " + c.Why
}

// costText is what a rollback would cost now, for people.
func (n Now) costText() string {
	text := ""
	for _, line := range n.CostLines() {
		text += "  " + line + "\n"
	}
	if text != "" {
		text = "\na rollback now\n" + text
	}
	return text
}

// CostLines say what a rollback would cost now; none where no sync carries writes
// back and nothing is past returning.
func (n Now) CostLines() []string {
	var out []string
	for _, c := range n.Costs {
		out = append(out, c.Text())
	}
	if n.Floor != "" {
		out = append(out, "goes no further back than "+n.Floor+", a point of no return: what came before it stays")
	}
	return out
}
