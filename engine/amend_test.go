package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
)

const amendable = `segue: v1
name: amended
checks:
  a: {look: {cell: a}}
  b: {look: {cell: b}}
phases:
  - name: one
    steps: [{name: X, change: {cell: x}}]
    gate: {hold: [a], for: 1m}
  - name: two
    approve: {count: 1}
    steps: [{name: Y, change: {cell: y}}]
    verify: {within: 5s, checks: [b]}
`

func amending(t *testing.T, from, to string) *runbook.Runbook {
	t.Helper()
	rb, err := runbook.Parse("a.yaml", []byte(strings.Replace(amendable, from, to, 1)), kinds{}, runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	return rb
}

// inPhaseOne is a run in the gate of its first phase, for whose second phase
// somebody has given an approval already.
func inPhaseOne(rb *runbook.Runbook) *engine.State {
	s := engine.New()
	for _, ev := range []engine.Event{
		engine.Created{Name: rb.Name, Actor: "ann"},
		engine.PhaseStarted{Phase: "one"},
		engine.PhaseReady{Phase: "one"},
		engine.SignalTaken{Signal: engine.Signal{Kind: engine.SignalApprove, Of: "two", Actor: "bob"}},
		engine.SignalTaken{Signal: engine.Signal{Kind: engine.SignalAttest, Of: "It is so", Actor: "bob"}},
		engine.GateOpened{Phase: "one"},
	} {
		s.Fold(rb, ev, time.Unix(1, 0))
	}
	return s
}

func TestWhoApprovedATextDidNotApproveTheNext(t *testing.T) {
	was := amending(t, "", "")
	s := inPhaseOne(was)
	is := amending(t, "cell: y}", "cell: z}")
	if reason := s.Amendable(was, is); reason != "" {
		t.Fatal(reason)
	}
	s.Fold(is, engine.Amended{Digest: is.Digest()}, time.Unix(2, 0))
	if len(s.Given) != 1 || s.Given[0].Kind != engine.SignalAttest {
		t.Errorf("given still: %+v, want the attestation alone", s.Given)
	}
}

func TestAnAmendmentLeavesAloneWhatAStartedPhaseRestsOn(t *testing.T) {
	was := amending(t, "", "")
	s := inPhaseOne(was)
	for _, c := range []struct{ from, to, want string }{
		{"a: {look: {cell: a}}", "a: {look: {cell: easier}}", "check a must stay as it is: phase one"},
		{"b: {look: {cell: b}}", "b: {look: {cell: other}}", ""},
		{"for: 1m", "for: 1s", "phase one has started"},
		{"within: 5s", "within: 6s", ""},
	} {
		if got := s.Amendable(was, amending(t, c.from, c.to)); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s → %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}
