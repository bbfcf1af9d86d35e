package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runner"
)

// alarmed is put back as soon as a cell is broken, and somebody must acknowledge
// that before it is over. Its cells are edited by hand, which is no obstacle.
const alarmed = `segue: v1
name: alarmed
connections:
  phone: {sim.phone: {}}
contacts:
  ada: {name: Ada Lind, phone: "+49 30 23125 101"}
  bo:  {name: Bo Sund, phone: "+49 30 23125 102"}
escalation:
  path:
    - {after: 1s, contact: ada, via: [phone]}
    - {after: 4s, contact: bo, via: [phone]}
  again: 5s
checks:
  not-broken: {sim.cell: {cell: broken, not: "yes"}}
  a-not-new:  {sim.cell: {cell: a, not: new}}
guards:
  - {check: not-broken, fails-for: 0s, do: rollback, to: back, every: 500ms}
targets:
  back:
    to: start
    first:
      - name: Old a
        sim.own: {cells: [a], to: old}
    verify: {within: 30s, checks: [a-not-new]}
phases:
  - name: one
    steps:
      - name: Keep b
        sim.set: {cells: [b], to: one}
  - name: two
    steps:
      - name: New a
        sim.own: {cells: [a], to: new}
      - name: Count c
        sim.count: {cell: c, to: 5}
    gate: {hold: [not-broken], for: 30s, every: 500ms}
`

// rung is when somebody is told, and who.
type rung struct {
	after time.Duration
	who   string
}

var path = []rung{{time.Second, "ada"}, {4 * time.Second, "bo"}}

const again = 5 * time.Second

// late is how late a rung may be told: a dead process's lease must run out, and
// one may die after the other.
const late = 35 * time.Second

// answers are the signals that a person who sees to it may give.
var answers = []engine.SignalKind{engine.SignalAck, engine.SignalPause, engine.SignalResume, engine.SignalRetry, engine.SignalSkip, engine.SignalRollback, engine.SignalAbort}

// unheard says what is wrong with who was told when, "" if nothing: each rung in
// its turn, never before its time, nobody twice, until somebody acknowledges and no
// longer; and a run that is put back is not over before.
func unheard(h *runner.History) string {
	var since, told time.Time
	open, rungs := false, 0
	due := func() (time.Time, string) {
		if rungs < len(path) {
			return since.Add(path[rungs].after), path[rungs].who
		}
		return told.Add(again), path[len(path)-1].who
	}
	for _, e := range h.Events {
		if at, who := due(); open && e.At.After(at.Add(late)) {
			return fmt.Sprintf("event %d: %s was to be told at %s", e.Seq, who, at.Format("04:05.000"))
		}
		switch ev := e.Event.(type) {
		case engine.Escalated:
			at, who := due()
			switch {
			case !open:
				return fmt.Sprintf("event %d: %s is told, and nothing waits to be acknowledged", e.Seq, ev.Contact)
			case ev.Rung != rungs || ev.Contact != who:
				return fmt.Sprintf("event %d: rung %d, %s, is told, and not rung %d, %s", e.Seq, ev.Rung, ev.Contact, rungs, who)
			case e.At.Before(at):
				return fmt.Sprintf("event %d: %s is told before %s", e.Seq, who, at.Format("04:05.000"))
			}
			rungs, told = rungs+1, e.At
		case engine.SignalTaken:
			if slices.Contains(answers, ev.Signal.Kind) {
				open = false
			}
		case engine.RolledBack:
			if open {
				return fmt.Sprintf("event %d: it is over, and nobody has acknowledged", e.Seq)
			}
		case engine.Aborted, engine.Completed:
			open = false
		}
		switch e.Event.(type) {
		case engine.Escalated, engine.Aborted, engine.RolledBack:
		default:
			if engine.Severity(e.Runbook, e.Event) == engine.P1 && !open {
				open, since, rungs = true, e.At, 0
			}
		}
	}
	return ""
}

// alarm makes a plan out of a seed: when it breaks, whether cells are edited
// before, when somebody acknowledges, who dies meanwhile.
func alarm(seed uint64) Plan {
	rng := rand.New(rand.NewPCG(seed, 11))
	plan := Plan{Seed: seed, Runbook: alarmed, Stays: true, Hands: map[int64]map[string]string{}, Signals: map[int64]engine.Signal{}}
	for range rng.IntN(4) {
		plan.CrashAt = append(plan.CrashAt, 1+rng.IntN(70))
	}
	breaks := int64(10 + rng.IntN(12))
	plan.Hands[breaks] = map[string]string{"broken": "yes"}
	if rng.IntN(2) == 0 {
		plan.Hands[breaks]["a"] = byHand
	}
	if rng.IntN(3) > 0 { // else nobody does for as long as the person is away
		plan.Signals[breaks+2+rng.Int64N(40)] = engine.Signal{Kind: engine.SignalAck, Actor: "operator"}
	}
	return plan
}

func TestSomebodyIsToldUntilSomebodyAcknowledges(t *testing.T) {
	from, to := uint64(1), uint64(*seeds/4)
	if *seed != 0 {
		from, to = *seed, *seed
	}
	told, back, edited := 0, 0, 0
	for n := from; n <= to; n++ {
		plan := alarm(n)
		res, err := simulate(t, plan)
		if *seed != 0 {
			t.Log(story(res))
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", n, err, story(res))
		}
		bad := unheard(res.History)
		s := res.History.State
		if s.Status == engine.RolledBackStatus {
			back++
			if a := res.Cells["a"]; a != "" && a != "old" || res.Cells["b"] != "" || res.Cells["c"] != "" {
				bad = fmt.Sprintf("it is back, and the cells are %v", res.Cells)
			}
		}
		if bad == "" {
			bad = oneWriter(res)
		}
		if bad != "" {
			t.Fatalf("seed %d: %s (go test ./runner/sim -run Acknowledges -seed %d)\n%s", n, bad, n, story(res))
		}
		told += len(find[engine.Escalated](res))
		for _, c := range plan.Hands {
			if c["a"] != "" {
				edited++
			}
		}
	}
	t.Logf("%d simulations: %d rolled back, %d with a cell that was edited; %d times somebody was told", to-from+1, back, edited, told)
	if *seed == 0 && (back < int(to)/2 || told < int(to)) {
		t.Errorf("only %d of %d were rolled back, and %d told", back, to, told)
	}
}

// What must not be is found.
func TestAnEscalationThatIsWrongIsFound(t *testing.T) {
	plan := Plan{
		Seed: 3, Runbook: alarmed, Stays: true, Hands: map[int64]map[string]string{14: {"broken": "yes"}},
		Signals: map[int64]engine.Signal{60: {Kind: engine.SignalAck, Actor: "operator"}},
	}
	right := mustEnd(t, plan)
	rungs := func() (at []int) {
		for i, e := range right.History.Events {
			if _, ok := e.Event.(engine.Escalated); ok {
				at = append(at, i)
			}
		}
		return at
	}()
	if bad := unheard(right.History); bad != "" || len(rungs) < 3 {
		t.Fatalf("%s, %d rungs\n%s", bad, len(rungs), story(right))
	}
	for name, spoil := range map[string]func([]runner.Entry) []runner.Entry{
		"one is left out":  func(all []runner.Entry) []runner.Entry { return slices.Delete(all, rungs[0], rungs[0]+1) },
		"one comes twice":  func(all []runner.Entry) []runner.Entry { return slices.Insert(all, rungs[0], all[rungs[0]]) },
		"one is too early": func(all []runner.Entry) []runner.Entry { all[rungs[1]].At = all[rungs[0]].At; return all },
		"nobody has acknowledged": func(all []runner.Entry) []runner.Entry {
			return slices.DeleteFunc(all, func(e runner.Entry) bool { _, ok := e.Event.(engine.SignalTaken); return ok })
		},
		"the last ones are left out": func(all []runner.Entry) []runner.Entry {
			for i := rungs[len(rungs)-1] + 1; i < len(all); i++ {
				all[i].At = all[i].At.Add(time.Hour)
			}
			return all
		},
	} {
		wrong := *right.History
		wrong.Events = spoil(slices.Clone(right.History.Events))
		if unheard(&wrong) == "" {
			t.Errorf("it is not found that %s", name)
		}
	}
}
