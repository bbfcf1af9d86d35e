package engine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// kinds is the catalog of the scripts: a change of a cell, a resumable one,
// one that cannot be undone, one that keeps working, and a check.
type kinds struct{}

func (kinds) Kinds(c runbook.Class) []runbook.Kind {
	cell := []runbook.Field{{Name: "cell", Type: runbook.String, Required: true}}
	switch c {
	case runbook.Action:
		return []runbook.Kind{
			{Name: "change", Fields: cell},
			{Name: "change.final", Fields: cell, Irreversible: true},
			{Name: "change.long", Fields: cell, Resumable: true},
			{Name: "work", Fields: cell, Background: true},
		}
	case runbook.Check:
		return []runbook.Kind{{Name: "look", Fields: cell}}
	case runbook.Connection:
		return []runbook.Kind{{Name: "tell", Provides: []string{runbook.Notices}}}
	}
	return nil
}

func (k kinds) Kind(c runbook.Class, name string) (runbook.Kind, bool) {
	for _, kind := range k.Kinds(c) {
		if kind.Name == name {
			return kind, true
		}
	}
	return runbook.Kind{}, false
}

// script is one conversation with the engine. After each command it decides
// until nothing more follows, and prints what was journaled, what should be
// running and what the run waits for.
type script struct {
	rb      *runbook.Runbook
	s       *engine.State
	now     time.Time
	start   time.Time
	message int64
	epoch   int64
	intents map[string]engine.StepIntent
	out     strings.Builder
}

// TestScripts walks testdata: each file is a story that is read as prose. Run
// with -rewrite to have the answers written anew, then review the difference.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var c *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "runbook" {
				rb, err := runbook.Parse("r.yaml", []byte("segue: v1\nname: script\n"+d.Input), kinds{}, runbook.Values{})
				if err != nil {
					return err.Error()
				}
				at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
				c = &script{rb: rb, s: engine.New(), now: at, start: at, intents: map[string]engine.StepIntent{}}
				return ""
			}
			if c == nil {
				return "no runbook"
			}
			c.out.Reset()
			if err := c.do(d); err != nil {
				return err.Error()
			}
			c.settle()
			return c.out.String()
		})
	})
}

func (c *script) do(d *datadriven.TestData) error {
	arg := func(i int) string {
		if i < len(d.CmdArgs) {
			return d.CmdArgs[i].Key
		}
		return ""
	}
	val := func(key string) string {
		for _, a := range d.CmdArgs {
			if a.Key == key && len(a.Vals) > 0 {
				return a.Vals[0]
			}
		}
		return ""
	}
	switch d.Cmd {
	case "start": // the run is created and a process takes it
		c.fold(engine.Created{Name: "script", Actor: "ann", Digest: c.rb.Digest()})
		return c.do(&datadriven.TestData{Cmd: "crash"})
	case "crash": // the process dies; another takes over
		c.epoch++
		c.fold(engine.Acquired{Holder: fmt.Sprintf("process %d", c.epoch), Actor: "ann", Epoch: c.epoch})
	case "pass", "fail", "unknown": // readings of checks
		verdict := map[string]evidence.Verdict{"pass": evidence.Pass, "fail": evidence.Fail, "unknown": evidence.Unknown}[d.Cmd]
		for _, a := range d.CmdArgs {
			c.s.NoteReading(c.rb, a.Key, evidence.Reading{At: c.now, Verdict: verdict})
		}
	case "counts": // counts x bad=1 total=100: what a check has counted in all
		c.s.NoteReading(c.rb, arg(0), counted(c.now, c.start.Add(time.Duration(c.epoch)*time.Second), val))
	case "every": // every 5s for 1m pass x: time goes on, with readings
		return c.every(arg(0), arg(1), arg(2), arg(3))
	case "observe": // what the step's action sees and wants
		o := engine.Observed{Step: arg(0), Before: face(val("before")), Want: face(val("want")), Settled: val("settled") != ""}
		c.s.Note(o)
	case "survey": // the world, compared with what the run left
		n := engine.Surveyed{Faces: map[string]state.Face{arg(0): face(val("found"))}}
		for _, e := range engine.Decide(c.rb, c.s, c.now).Run {
			if e.Do == engine.DoSurvey {
				n.Key = e.ID
			}
		}
		c.s.NoteSurvey(n)
	case "done":
		c.fold(engine.StepDone{Step: arg(0), After: face(val("after")), Changed: true})
	case "cursor":
		c.fold(engine.StepCursor{Step: arg(0), Cursor: json.RawMessage(val("at"))})
	case "failed":
		c.fold(engine.StepFailed{Step: arg(0), Stage: "apply", Error: "it broke"})
	case "lost":
		c.fold(engine.StepIndeterminate{Step: arg(0), Undo: val("undo") != ""})
	case "undone":
		ev := engine.UndoDone{Step: arg(0), Left: face(val("left"))}
		if kept := val("kept"); kept != "" {
			ev.Kept = &engine.Kept{What: kept, Cost: "its data", Fields: map[string][]string{"cell/" + kept: {"*"}}}
		}
		if val("differ") != "" {
			ev.Differ = []state.Change{{Resource: "cell/x", Field: "v"}}
		}
		c.fold(ev)
	case "undo-failed":
		c.fold(engine.UndoFailed{Step: arg(0), Error: "it broke", Final: val("final") != ""})
	case "witnessed":
		for _, a := range d.CmdArgs {
			if len(a.Vals) == 0 {
				c.fold(engine.Witnessed{Step: a.Key, Able: true, Face: face(val("found")), Error: val("error")})
			}
		}
	case "signal": // kind and who; of=, role=, signed
		c.message++
		sig := engine.Signal{Kind: engine.SignalKind(arg(0)), Actor: arg(1), Of: val("of"), Role: val("role"), AcceptDrift: val("accept") != ""}
		signed := val("signed") != ""
		if signed {
			sig.Signature, sig.Digest = "(valid)", c.rb.Digest()
		}
		c.fold(c.s.Judge(c.rb, c.message, sig, signed))
	case "advance":
		dur, err := time.ParseDuration(arg(0))
		if err != nil {
			return err
		}
		c.now = c.now.Add(dur)
	default:
		return fmt.Errorf("no command %q", d.Cmd)
	}
	return nil
}

// counted is a reading of a check that claims less than 1 % bad at 95 %, and
// has counted since the run started.
func counted(now, begun time.Time, val func(string) string) evidence.Reading {
	figure := func(key string) float64 {
		v, _ := strconv.ParseFloat(val(key), 64)
		return v
	}
	n := evidence.Counts{Bad: figure("bad"), Total: figure("total")}
	claim := evidence.Claim{Below: 0.01, Confidence: 0.95, Min: 100}
	r := claim.Reading(n)
	r.At = now
	r.Tally = &evidence.Tally{Claim: claim, Begun: begun, From: begun, Restarts: int(figure("restarts")), Counts: n, Recent: evidence.Pass}
	switch val("recent") {
	case "fail":
		r.Tally.Recent, r.Verdict = evidence.Fail, evidence.Fail
	case "unknown":
		r.Tally.Recent, r.Verdict = evidence.Unknown, evidence.Unknown
	}
	return r
}

// every lets time go on in steps, with a reading at each, until something is
// journaled or the time is over.
func (c *script) every(step, whole, verdict, check string) error {
	period, err := time.ParseDuration(step)
	if err != nil {
		return err
	}
	length, err := time.ParseDuration(whole)
	if err != nil {
		return err
	}
	for until := c.now.Add(length); c.now.Before(until); {
		c.now = c.now.Add(period)
		if err := c.do(&datadriven.TestData{Cmd: verdict, CmdArgs: []datadriven.CmdArg{{Key: check}}}); err != nil {
			return err
		}
		c.journal()
	}
	return nil
}

func (c *script) fold(ev engine.Event) {
	fmt.Fprintf(&c.out, "%s %s\n", c.clock(), line(ev))
	if in, ok := ev.(engine.StepIntent); ok {
		c.intents[in.Step] = in
	}
	c.s.Fold(c.rb, roundTrip(ev), c.now)
}

// roundTrip is the event as it comes back from a journal.
func roundTrip(ev engine.Event) engine.Event {
	raw, err := json.Marshal(ev)
	if err != nil {
		panic(err)
	}
	back, err := engine.Unmarshal(ev.Type(), engine.Version, raw)
	if err != nil {
		panic(err)
	}
	return back
}

func (c *script) clock() string { return fmt.Sprintf("%8s", c.now.Sub(c.start)) }

func (c *script) journal() engine.Decision {
	for range 100 {
		d := engine.Decide(c.rb, c.s, c.now)
		if len(d.Append) == 0 {
			return d
		}
		for _, ev := range d.Append {
			c.fold(ev)
		}
	}
	panic("the engine does not come to rest")
}

func (c *script) settle() {
	d := c.journal()
	var run []string
	for _, e := range d.Run {
		run = append(run, e.Key())
	}
	slices.Sort(run)
	fmt.Fprintf(&c.out, "= %s", c.s.Status)
	if len(run) > 0 {
		fmt.Fprintf(&c.out, "; runs %s", strings.Join(run, ", "))
	}
	if !d.Wake.IsZero() {
		fmt.Fprintf(&c.out, "; wakes at %s", d.Wake.Sub(c.start))
	}
	c.out.WriteByte('\n')
	for _, w := range d.Waits {
		fmt.Fprintf(&c.out, "  waits for %s %q", w.For, w.What)
		if w.Who != "" {
			fmt.Fprintf(&c.out, " by %s", w.Who)
		}
		if w.Needs > 0 {
			fmt.Fprintf(&c.out, " held %s of %s", w.Held, w.Needs)
		}
		if p := w.Progress; p != nil {
			fmt.Fprintf(&c.out, "; %g of %g samples: %s", p.Counts.Total, p.Needs, w.Missing)
			if !w.Earliest.IsZero() {
				fmt.Fprintf(&c.out, "; at %s at the earliest", w.Earliest.Sub(c.start).Round(time.Millisecond))
			}
		}
		c.out.WriteByte('\n')
	}
}

// line is an event as a line of a story.
func line(ev engine.Event) string {
	raw, _ := json.Marshal(ev) //nolint:errchkjson // events are plain data
	var m map[string]any
	_ = json.Unmarshal(raw, &m)
	for _, dull := range []string{"text", "digest", "readings", "reading", "segue", "file", "message", "diff"} {
		delete(m, dull)
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v, _ := json.Marshal(m[k]) //nolint:errchkjson // plain data
		parts = append(parts, k+"="+string(v))
	}
	return ev.Type() + " " + strings.Join(parts, " ")
}

// face reads "x:1,y:2" as cells with values.
func face(text string) state.Face {
	out := state.Face{}
	for _, pair := range strings.Split(text, "/") {
		if cell, v, ok := strings.Cut(pair, ":"); ok {
			raw, _ := json.Marshal(v) //nolint:errchkjson // plain data
			out["cell/"+cell] = state.Fields{"v": raw}
		}
	}
	return out
}
