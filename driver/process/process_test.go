package process

import (
	"encoding/json"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/process/processtest"
	"github.com/segue-run/segue/state"
)

func TestMain(m *testing.M) { processtest.Main(m) }

const health = "http://{ADDR}/health"

// connect opens an orchestrator.
func connect(t testing.TB, o *processtest.Orchestrator) *Conn {
	t.Helper()
	c, err := open(connParams{API: o.API})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// effectOf observes and plans, for a process that lives for ever.
func effectOf(t testing.TB, a driver.Action) driver.Effect {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	others, err := a.(driver.Surveyor).Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.(driver.Surveyor).PlanAmong(before, others)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Effect{Before: before, Want: want, Mine: func() error { return nil }, Save: saves}
}

func diff(from, to state.State) []state.Change { return state.Diff(state.Face(from), state.Face(to)) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fields(t testing.TB, s state.State) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range s {
		for name, raw := range f {
			out[name] = string(json.RawMessage(raw))
		}
	}
	return out
}
