package engine_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// wild has something of everything that a runbook can say.
const wild = `segue: v1
name: wild
roles: {lead: [ann, bob]}
checks:
  a: {look: {cell: a}}
  b: {look: {cell: b}}
guards:
  - {name: back, check: a, fails-for: 2s, do: rollback, to: phase, every: 1s}
  - {name: halt, check: a, fails-for: 2s, do: pause, unknown-for: 3s, then: rollback, every: 1s}
  - {name: away, check: b, fails-for: 0s, do: rollback, to: safe, every: 1s, from: two}
targets:
  safe:
    to: start
    first: [{name: Traffic back, change: {cell: x}}]
    verify: {within: 3s, checks: [b]}
phases:
  - name: one
    require: [a, {attest: It is so}]
    approve: {roles: [lead], not-by-actor: true}
    steps:
      - {name: X, change: {cell: x}, verify: {within: 3s, checks: [a]}}
      - {name: Y, change.long: {cell: y}}
    gate: {hold: [a], for: 4s, every: 1s, deadline: 9s, then: rollback}
  - name: two
    on-failure: rollback
    rollback: {verify: {within: 3s, checks: [a]}}
    steps:
      - {name: Z, work: {cell: z}}
      - {name: Again, change: {cell: x}, needs: [X]}
    verify: {within: 3s, checks: [b]}
  - name: three
    needs: [two]
    steps:
      - {name: Gone, change.final: {cell: w}, point-of-no-return: true}
      - {name: Last, change: {cell: v}}
`

func wildBook(t rapid.TB) *runbook.Runbook {
	rb, err := runbook.Parse("wild.yaml", []byte(wild), kinds{}, runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	return rb
}

// A failing case is printed; it must not lie among the scripts.
func init() { _ = flag.Set("rapid.nofailfile", "true") }

// tale draws what happens to a run: what the world answers to the effects that
// run, what people say, and (when it is nonsense) events that no engine wrote.
type tale struct {
	t        *rapid.T
	rb       *runbook.Runbook
	s        *engine.State
	now      time.Time
	events   []engine.Event
	ats      []time.Time
	message  int64
	epoch    int64
	nonsense bool
	counts   evidence.Counts
	restarts int
}

// count is what a check that counts has counted.
func (c *tale) count(recent evidence.Verdict) *evidence.Tally {
	if rapid.IntRange(0, 9).Draw(c.t, "restart") == 0 {
		c.counts = evidence.Counts{}
		c.restarts++
	}
	total := float64(rapid.SampledFrom([]int{0, 10, 100, 1000}).Draw(c.t, "total"))
	c.counts = c.counts.Plus(evidence.Counts{Bad: min(total, float64(rapid.IntRange(0, 5).Draw(c.t, "bad"))), Total: total})
	return &evidence.Tally{
		Claim: evidence.Claim{Below: 0.1, Confidence: 0.95, Min: 20}, Restarts: c.restarts, Counts: c.counts, Recent: recent,
	}
}

// proven fails a gate that opens without the evidence that its text demands.
func (c *tale) proven(ev engine.GatePassed) {
	for check, clock := range ev.Clocks {
		if r := ev.Readings[check]; r.Verdict != evidence.Pass {
			c.t.Fatalf("the gate opened although %s is %s", check, r.Verdict)
		}
		if s := clock.Soak; s != nil && ev.Readings[check].Tally != nil && s.Last.Claim.After(s.Restarts).Verdict(s.Counts) != evidence.Pass {
			c.t.Fatalf("the gate opened on %+v for %+v", s.Counts, s.Last.Claim)
		}
	}
}

func (c *tale) fold(ev engine.Event) {
	c.s.Fold(c.rb, ev, c.now)
	c.events, c.ats = append(c.events, ev), append(c.ats, c.now)
}

// decide asks twice, wants the same answer and an untouched state, and carries
// on until the engine rests.
func (c *tale) decide() engine.Decision {
	for range 50 {
		before := dump(c.s)
		d := engine.Decide(c.rb, c.s, c.now)
		first := dump(d)
		second := dump(engine.Decide(c.rb, c.s, c.now))
		if first != second {
			c.t.Fatalf("it decides differently the second time:\n%s\n%s", first, second)
		}
		if after := dump(c.s); after != before {
			c.t.Fatalf("to decide changed the state:\n%s\n%s", before, after)
		}
		if c.s.Status.Final() && (len(d.Append) > 0 || len(d.Run) > 0) {
			c.t.Fatalf("a run that is %s wants %+v", c.s.Status, d)
		}
		if len(d.Append) == 0 {
			return d
		}
		for _, ev := range d.Append {
			if p, ok := ev.(engine.GatePassed); ok && !c.nonsense {
				c.proven(p)
			}
			c.fold(ev)
		}
	}
	c.t.Fatalf("it does not come to rest: %+v", c.events[len(c.events)-6:])
	return engine.Decision{}
}

func (c *tale) pick(label string, of ...string) string { return rapid.SampledFrom(of).Draw(c.t, label) }

func (c *tale) face() state.Face {
	return face(c.pick("cell", "x", "y", "z", "w", "v") + ":" + c.pick("value", "0", "1", "2"))
}

func (c *tale) stepID() string {
	ids := []string{"one/never"}
	for _, s := range c.rb.AllSteps() {
		ids = append(ids, s.ID)
	}
	return rapid.SampledFrom(ids).Draw(c.t, "step")
}

// answer is what the world says to one of the effects.
func (c *tale) answer(e engine.Effect) {
	def, _ := c.rb.Step(e.Step)
	cell, _ := def.Params["cell"].(string)
	st := c.s.Steps[e.Step]
	if st == nil {
		st = &engine.Step{} // only nonsense speaks of steps that never were
	}
	broke := rapid.IntRange(0, 4).Draw(c.t, "broke") == 0
	switch e.Do {
	case engine.DoWatch:
		v := rapid.SampledFrom([]evidence.Verdict{evidence.Pass, evidence.Pass, evidence.Pass, evidence.Fail, evidence.Unknown}).Draw(c.t, "verdict")
		r := evidence.Reading{At: c.now, Verdict: v}
		if rapid.Bool().Draw(c.t, "counts") {
			r.Tally = c.count(v)
			if v == evidence.Pass { // nothing is wrong of late: is it proven?
				r.Verdict = r.Tally.Claim.Verdict(r.Tally.Counts)
			}
		}
		c.s.NoteReading(c.rb, e.Check, r)
	case engine.DoObserve:
		if broke && !e.Settle {
			c.fold(engine.StepFailed{Step: e.Step, Stage: "observe", Error: "it broke"})
			return
		}
		c.s.Note(engine.Observed{Step: e.Step, Before: face(cell + ":" + c.pick("before", "0", "0", "1")), Want: face(cell + ":1"), Settled: e.Settle})
	case engine.DoSurvey:
		n := engine.Surveyed{Key: e.ID, Faces: map[string]state.Face{}}
		for _, id := range e.Steps {
			n.Faces[id] = c.s.Steps[id].After
			if broke {
				n.Faces[id] = c.face()
			}
		}
		c.s.NoteSurvey(n)
	case engine.DoApply, engine.DoResume:
		switch {
		case broke && rapid.Bool().Draw(c.t, "lost"):
			c.fold(engine.StepIndeterminate{Step: e.Step})
		case broke:
			c.fold(engine.StepFailed{Step: e.Step, Stage: "apply", Error: "it broke"})
		default:
			if def.Kind.Resumable {
				c.fold(engine.StepCursor{Step: e.Step, Cursor: json.RawMessage("1")})
			}
			c.fold(engine.StepDone{Step: e.Step, After: st.Want, Changed: !st.Before.Equal(st.Want)})
		}
	case engine.DoUndo:
		switch {
		case broke && rapid.Bool().Draw(c.t, "lost"):
			c.fold(engine.StepIndeterminate{Step: e.Step, Undo: true})
		case broke:
			c.fold(engine.UndoFailed{Step: e.Step, Error: "it broke", Final: engine.LastTry(e.Attempt)})
		default:
			c.fold(engine.UndoDone{Step: e.Step, Left: st.Before})
		}
	case engine.DoWitness:
		c.fold(engine.Witnessed{Step: e.Step, Face: st.Before, Able: true})
	}
}

func (c *tale) signal() {
	c.message++
	kind := engine.SignalKind(c.pick("signal", "approve", "attest", "pause", "resume", "retry", "skip", "rollback", "abort", "late", "amend", "nonsense"))
	if kind == engine.SignalAbort && !rapid.Bool().Draw(c.t, "really") {
		kind = engine.SignalResume
	}
	sig := engine.Signal{Kind: kind, Actor: c.pick("actor", "ann", "bob", "eve"), Role: c.pick("role", "", "lead"), AcceptDrift: rapid.Bool().Draw(c.t, "accept")}
	switch kind {
	case engine.SignalSkip, engine.SignalLate:
		sig.Of = c.stepID()
	case engine.SignalRollback:
		sig.Of = c.pick("target", "", "phase", "start", "one", "two", "three", "safe", "nowhere")
	case engine.SignalAttest:
		sig.Of = "It is so"
	case engine.SignalApprove:
		sig.Of, sig.Digest = c.pick("of", "", "one", "three/gone"), c.rb.Digest()
	}
	c.fold(c.s.Judge(c.rb, c.message, sig, true))
}

// absurd is an event that follows from nothing.
func (c *tale) absurd() {
	step := c.stepID()
	phase := c.pick("phase", "one", "two", "three", "nine")
	c.fold(rapid.SampledFrom([]engine.Event{
		engine.Created{Name: "wild", Actor: "ann"},
		engine.Amended{Digest: "other"},
		engine.PhaseStarted{Phase: phase, Attempt: 3},
		engine.PhaseReady{Phase: phase},
		engine.PhaseDone{Phase: phase},
		engine.StepIntent{Step: step, Attempt: 1, Before: c.face(), Want: c.face()},
		engine.StepCursor{Step: step, Cursor: json.RawMessage("7")},
		engine.StepProgress{Step: step, Done: 1, Of: 3},
		engine.StepDone{Step: step, After: c.face(), Changed: true},
		engine.StepFailed{Step: step, Error: "so it says"},
		engine.StepIndeterminate{Step: step, Undo: true},
		engine.StepIndeterminate{Step: step},
		engine.DriftFound{Step: step, Between: true},
		engine.DriftFound{Changes: []state.Change{{Resource: "cell/x", Field: "v"}}},
		engine.VerifyStarted{Of: phase},
		engine.VerifyPassed{Of: step},
		engine.VerifyFailed{Of: phase},
		engine.GateOpened{Phase: phase},
		engine.GateHeld{Phase: phase},
		engine.GatePassed{Phase: phase},
		engine.GateExpired{Phase: phase},
		engine.CheckTurned{Check: "nothing", Reading: evidence.Reading{At: c.now}},
		engine.GuardTripped{Guard: "none", Do: "rollback", To: "nowhere"},
		engine.GuardTripped{Guard: "away", Do: "rollback", To: "safe"},
		engine.GuardQuiet{Guard: "back"},
		engine.Paused{Why: "so", By: "rollback"},
		engine.Paused{},
		engine.Resumed{},
		engine.RollbackStarted{Target: "nowhere", Index: -3, Undo: []string{step}},
		engine.RollbackStarted{Target: "start", Index: 99, First: []string{step, "nothing"}, Undo: []string{"nothing", step, step}},
		engine.RollbackStarted{},
		engine.UndoIntent{Step: step, Attempt: 9},
		engine.UndoDone{Step: step, Left: c.face()},
		engine.UndoFailed{Step: step, Error: "no"},
		engine.UndoHeld{Step: step},
		engine.Witnessed{Step: step},
		engine.RollbackEnded{Result: "failed"},
		engine.RollbackEnded{Result: "verified"},
		engine.RollbackEnded{},
		engine.SignalTaken{Message: 1, Signal: engine.Signal{Kind: "rollback", Of: "nowhere"}},
		engine.SignalTaken{Message: 1, Signal: engine.Signal{Kind: "skip"}},
		engine.SignalTaken{},
		engine.SignalRefused{},
	}).Draw(c.t, "absurd"))
}

func (c *tale) go1() {
	d := c.decide()
	if c.s.Status.Final() {
		return
	}
	n := rapid.IntRange(0, 19).Draw(c.t, "what")
	switch {
	case n == 0:
		c.epoch++
		c.fold(engine.Acquired{Holder: "p", Actor: "ann", Epoch: c.epoch})
	case n < 4:
		c.signal()
	case n < 8:
		c.now = c.now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(c.t, "ms")) * time.Millisecond)
	case n < 11 && c.nonsense:
		c.absurd()
	case len(d.Run) > 0:
		c.answer(rapid.SampledFrom(d.Run).Draw(c.t, "effect"))
	default:
		c.now = c.now.Add(time.Second)
		c.signal()
	}
}

func newTale(t *rapid.T, nonsense bool) *tale {
	c := &tale{t: t, rb: wildBook(t), s: engine.New(), now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), nonsense: nonsense, epoch: 1}
	c.fold(engine.Created{Name: "wild", Actor: "ann", Digest: c.rb.Digest()})
	c.fold(engine.Acquired{Holder: "p", Actor: "ann", Epoch: 1})
	return c
}

// Whatever happens, to decide is pure, comes to rest, panics never, and the
// journal read back says what the live state said.
func TestWhateverHappens(t *testing.T) {
	for _, nonsense := range []bool{false, true} {
		t.Run(fmt.Sprintf("nonsense=%t", nonsense), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := newTale(t, nonsense)
				for range rapid.IntRange(1, 120).Draw(t, "steps") {
					c.go1()
					if c.s.Status.Final() {
						break
					}
				}
				c.decide()
				live := engine.New()
				back := engine.New()
				events := slices.Clone(c.events)
				var raws [][]byte
				for _, ev := range events {
					raw, err := json.Marshal(ev)
					if err != nil {
						t.Fatal(err)
					}
					raws = append(raws, raw)
				}
				for i, ev := range events {
					live.Fold(c.rb, ev, c.ats[i])
					back.Fold(c.rb, roundTrip(ev), c.ats[i])
				}
				for i, ev := range events {
					if raw, _ := json.Marshal(ev); string(raw) != string(raws[i]) {
						t.Fatalf("to fold changed an event:\n%s\n%s", raws[i], raw)
					}
				}
				if a, b := live.Outline(), back.Outline(); a != b {
					t.Fatalf("the outline read back differs:\n%s\n%s", a, b)
				}
				if a, b := asJSON(t, live), asJSON(t, back); a != b {
					t.Fatalf("the state read back differs:\n%s\n%s", a, b)
				}
				if a, b := c.s.Outline(), back.Outline(); a != b {
					t.Fatalf("the journal does not say what the live state says:\n%s\n%s", a, b)
				}
			})
		})
	}
}

func asJSON(t *rapid.T, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// dump writes a value with all that lies in it, fields that are not exported
// too, in one order.
func dump(v any) string {
	var b strings.Builder
	dumpTo(&b, reflect.ValueOf(v))
	return b.String()
}

func dumpTo(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		dumpTo(b, v.Elem())
	case reflect.Struct:
		b.WriteString("{")
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "loc" { // of a time
				b.WriteString(name + ":")
				dumpTo(b, v.Field(i))
				b.WriteString(" ")
			}
		}
		b.WriteString("}")
	case reflect.Map:
		var entries []string
		for it := v.MapRange(); it.Next(); {
			var e strings.Builder
			dumpTo(&e, it.Key())
			e.WriteString("=")
			dumpTo(&e, it.Value())
			entries = append(entries, e.String())
		}
		slices.Sort(entries)
		b.WriteString("map[" + strings.Join(entries, " ") + "]")
	case reflect.Slice:
		b.WriteString("[")
		for i := range v.Len() {
			dumpTo(b, v.Index(i))
			b.WriteString(" ")
		}
		b.WriteString("]")
	case reflect.Func:
		b.WriteString("func")
	default:
		fmt.Fprintf(b, "%v", v)
	}
}
