package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// Status says how a run stands at now, from its history, the state and the
// decision that [Live] gave, and who carries it out ("" when nobody does).
func Status(h *runner.History, s *engine.State, d engine.Decision, holder string, now time.Time) Now {
	n := Now{
		Run: h.Run, Name: s.Name, Actor: s.Actor, Status: s.Status, At: now, Started: s.Started, Ended: s.Ended,
		Epoch: s.Epoch, Holder: holder, Phase: min(s.PhaseIndex+1, len(h.Runbook.Phases)), Waits: d.Waits,
		Alert: s.Alert, Contacts: h.Runbook.Contacts,
	}
	end := now
	if s.Status.Final() {
		end, n.Holder = s.Ended, ""
	}
	n.Elapsed = between(s.Started, end)
	v := viewer{h.Runbook, s, end}
	for i := range h.Runbook.Phases {
		n.Phases = append(n.Phases, v.phase(i))
	}
	n.Rollback = v.rollback()
	if r := s.Rollback; r != nil {
		for _, id := range r.First {
			n.First = append(n.First, v.step(id))
		}
	}
	if n.Costs = v.costs(n.Holder); !s.Status.Final() && s.Status != engine.RollingBack {
		n.Floor = s.Floor
	}
	n.Guards = v.guards()
	n.Checks = v.checks(d)
	for _, ev := range d.Append {
		n.Next = append(n.Next, Sentence(ev))
	}
	past := brief(h)
	n.Why, n.Left = past.Why, past.Left
	for i := range n.Phases {
		if p := past.Phases[i]; p.Stage != engine.Pending {
			n.Phases[i].Took = p.Took
			if n.Phases[i].Current && !s.Status.Final() && n.Phases[i].Stage != engine.Undone {
				n.Phases[i].Took += between(past.Last, now)
			}
		}
	}
	for i := range n.Phases {
		for j := range n.Phases[i].Steps {
			if st := &n.Phases[i].Steps[j]; !st.Going {
				st.Took = past.took(st.ID)
			}
		}
	}
	return n
}

func (r *Report) took(step string) Span {
	for _, s := range r.Steps {
		if s.ID == step {
			return s.Took
		}
	}
	return 0
}

// A viewer puts a state into words.
type viewer struct {
	rb  *runbook.Runbook
	s   *engine.State
	now time.Time
}

func (v viewer) phase(i int) NowPhase {
	def := v.rb.Phases[i]
	p := NowPhase{Name: def.Name, Stage: engine.Pending, Current: i == v.s.PhaseIndex && !v.s.Status.Final()}
	st := v.s.Phases[def.Name]
	if st != nil {
		p.Stage, p.Attempt = st.Stage, st.Attempt
		if st.Stage == engine.Gating {
			p.Gate = v.gate(def.Gate, st)
		}
	}
	for _, s := range def.Steps {
		p.Steps = append(p.Steps, v.step(s.ID))
	}
	return p
}

func (v viewer) gate(def *runbook.Gate, p *engine.Phase) *NowGate {
	if def == nil {
		return nil
	}
	g := &NowGate{
		For: Span(def.For), Held: Span(def.For), Spent: Span(p.Spent), Deadline: Span(def.Deadline),
		Frozen: v.s.Status != engine.Running,
	}
	for _, name := range def.Hold {
		held := Span(min(p.Clocks[name].Held, def.For))
		clock := NowClock{Check: name, Held: held, Needs: Span(def.For)}
		if c := v.s.Checks[name]; c != nil {
			clock.Progress = p.Clocks[name].Progress(c.Reading)
			clock.Lacks = progressWords(clock.Progress)
		}
		g.Clocks = append(g.Clocks, clock)
		g.Held = min(g.Held, held)
	}
	if !g.Frozen {
		g.Earliest = v.earliest(def, p)
	}
	return g
}

// earliest is when the gate opens if every reading from now on passes, and
// samples come at the present rate; zero when it cannot open like this.
func (v viewer) earliest(def *runbook.Gate, p *engine.Phase) time.Time {
	at := v.now
	for _, name := range def.Hold {
		from := v.now
		if last := p.Clocks[name].Last; !last.IsZero() {
			from = last
		}
		if c := v.s.Checks[name]; c != nil {
			if more := p.Clocks[name].Progress(c.Reading); more != nil {
				if more.Needs == 0 || more.Needs > more.Samples() && more.Rate == 0 {
					return time.Time{} // not like this
				}
				from = from.Add(more.In)
			}
		}
		if t := from.Add(def.For - p.Clocks[name].Held - p.Clocks[name].Quiet); t.After(at) {
			at = t
		}
	}
	return at
}

func (v viewer) step(id string) NowStep {
	def, _ := v.rb.Step(id)
	n := NowStep{ID: id, Name: def.Name, Kind: def.Kind.Name, Stage: engine.Pending}
	st := v.s.Steps[id]
	if st == nil {
		n.Words = string(engine.Pending)
		return n
	}
	n.Stage, n.Attempt, n.Error = st.Stage, st.Attempt, st.Error
	n.Words = words(st)
	if n.Behind = v.behind(id); st.Stage == engine.Done && n.Behind != "" {
		n.Words += ", " + n.Behind
	}
	n.Far = far(st)
	if n.Going = st.Stage == engine.Applying || st.Stage == engine.Undoing; n.Going {
		n.Took = between(st.Since, v.now)
	}
	return n
}

// behind says how far behind a step's background work is, by what it said last;
// "" where nothing is known.
func (v viewer) behind(step string) string {
	c := v.s.Checks[engine.Behind(step)]
	if c == nil {
		return ""
	}
	d, err := time.ParseDuration(c.Reading.Value)
	if c.Reading.Verdict != evidence.Pass || err != nil {
		text := "how far behind is not known: " + c.Reading.Detail
		if err == nil {
			text = fmt.Sprintf("not known since %s UTC how far behind: %s", moment(c.Reading.At.Add(-d), v.now), c.Reading.Detail)
		}
		return text
	}
	return Span(d).String() + " behind as of " + clock(c.Reading.At) + " UTC"
}

func words(st *engine.Step) string {
	switch {
	case st.Stage == engine.Applying && st.Uncertain:
		return "uncertain: cut off by a crash"
	case st.Stage == engine.Done && !st.Changed:
		return "done, nothing to do"
	case st.Stage == engine.Failed && st.Lost:
		return "failed, may still be going"
	case st.Stage == engine.Undone && st.Kept != nil:
		return "undone, kept " + st.Kept.What
	}
	return string(st.Stage)
}

func (v viewer) rollback() *NowRollback {
	r := v.s.Rollback
	if r == nil {
		return nil
	}
	n := &NowRollback{Phase: r.Phase, Start: r.Start, Why: r.Why, By: r.By, At: r.At, Undone: len(r.Done), Of: len(r.Undo)}
	for _, id := range r.Undo {
		if why, failed := r.Failed[id]; failed {
			n.Failed = append(n.Failed, id+": "+why)
		}
	}
	if r.Ended != nil {
		n.Result, n.Because, n.Took = r.Ended.Result, r.Ended.Why, between(r.At, r.EndedAt)
	} else {
		n.Took = between(r.At, v.now)
	}
	return n
}

func (v viewer) guards() []NowGuard {
	var out []NowGuard
	for _, g := range v.rb.Guards {
		n := NowGuard{Name: g.Name, Check: g.Check, Do: string(g.Do), To: g.To, After: Span(g.FailsFor)}
		n.Armed = !v.s.Status.Final() && v.armed(g)
		if st := v.s.Guards[g.Name]; st != nil {
			n.Tripped, n.Failing, n.Dark = st.Tripped, Span(st.Alarm.Failing()), Span(st.Alarm.Unknown())
		}
		if c := v.s.Checks[g.Check]; c != nil {
			n.Reading = c.Reading
		}
		out = append(out, n)
	}
	return out
}

// armed is what the engine thinks of a guard: from a phase's start, until a
// phase's end.
func (v viewer) armed(g runbook.Guard) bool {
	if g.From != "" && v.s.PhaseIndex < v.rb.Phase(g.From) {
		return false
	}
	return g.Until == "" || v.s.PhaseIndex <= v.rb.Phase(g.Until)
}

// guarded reports whether an armed guard watches the check, as it does
// whatever else goes on.
func (v viewer) guarded(check string) bool {
	return !v.s.Status.Final() && slices.ContainsFunc(v.rb.Guards, func(g runbook.Guard) bool { return g.Check == check && v.armed(g) })
}

// checks lists the checks that are watched, and those that were read.
func (v viewer) checks(d engine.Decision) []NowCheck {
	var out []NowCheck
	for _, def := range v.rb.Checks {
		n := NowCheck{Name: def.Name}
		n.Watched = v.guarded(def.Name) || slices.ContainsFunc(d.Run, func(e engine.Effect) bool { return e.Do == engine.DoWatch && e.Check == def.Name })
		c := v.s.Checks[def.Name]
		if c == nil && !n.Watched {
			continue
		}
		if c != nil {
			n.Reading, n.Age = c.Reading, max(between(c.Reading.At, v.now), 0)
		} else {
			n.Reading = evidence.Unsure("not read yet")
		}
		out = append(out, n)
	}
	return out
}
