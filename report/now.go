package report

import (
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// A Now is how a run stands at a time.
type Now struct {
	Run     string        `json:"run"`
	Name    string        `json:"name"`
	Actor   string        `json:"actor"`
	Status  engine.Status `json:"status"`
	Why     string        `json:"why,omitempty"` // why it rests, or ended so
	At      time.Time     `json:"at"`
	Started time.Time     `json:"started"`
	Ended   time.Time     `json:"ended,omitzero"`
	Elapsed Span          `json:"elapsed_s"`
	Epoch   int64         `json:"epoch"`
	// Holder is who carries the run out; "" when nobody does.
	Holder string `json:"holder,omitempty"`

	Phase    int           `json:"phase"` // the number of the current one, from 1
	Phases   []NowPhase    `json:"phases"`
	First    []NowStep     `json:"first,omitempty"` // a rollback's first steps
	Rollback *NowRollback  `json:"rollback,omitempty"`
	Guards   []NowGuard    `json:"guards,omitempty"`
	Checks   []NowCheck    `json:"checks,omitempty"` // all that are watched or were read
	Waits    []engine.Wait `json:"waits,omitempty"`
	Next     []string      `json:"next,omitempty"` // what it is about to journal
	Left     []Left        `json:"left,omitempty"`
	// Costs say what a rollback would lose now, Floor how far back it goes at most:
	// to a point of no return.
	Costs []Cost `json:"costs,omitempty"`
	Floor string `json:"floor,omitempty"`

	Alert    *engine.Alert     `json:"alert,omitempty"` // what must be acknowledged, or was last
	Contacts []runbook.Contact `json:"contacts,omitempty"`
	Notices  []Notice          `json:"notices,omitempty"` // see [Notices]; whoever has the store fills it in
}

// A NowPhase is where a phase stands.
type NowPhase struct {
	Name    string       `json:"name"`
	Stage   engine.Stage `json:"stage"`
	Current bool         `json:"current,omitempty"`
	Attempt int          `json:"attempt,omitempty"`
	Took    Span         `json:"took_s,omitempty"`
	Steps   []NowStep    `json:"steps,omitempty"`
	Gate    *NowGate     `json:"gate,omitempty"` // while it is waited at
}

// A NowStep is where a step stands.
type NowStep struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Kind    string       `json:"kind"`
	Stage   engine.Stage `json:"stage"`
	Words   string       `json:"words"` // the stage, and what is special about it
	Attempt int          `json:"attempt,omitempty"`
	Took    Span         `json:"took_s,omitempty"` // so far, while it goes on
	Going   bool         `json:"going,omitempty"`
	// Far is how far its work has come, in words, where it tells.
	Far string `json:"far,omitempty"`
	// Behind is how far behind its background work is, in words; what going back
	// would cost where it carries writes back.
	Behind string `json:"behind,omitempty"`
	Error  string `json:"error,omitempty"`
}

// A NowGate is a gate that is waited at.
type NowGate struct {
	For      Span       `json:"for_s"`
	Held     Span       `json:"held_s"` // of the check that has held shortest
	Spent    Span       `json:"spent_s"`
	Deadline Span       `json:"deadline_s,omitempty"`
	Earliest time.Time  `json:"earliest,omitzero"`
	Clocks   []NowClock `json:"clocks"`
	Frozen   bool       `json:"frozen,omitempty"` // by a pause
}

// A NowClock is how long a check of the gate has held.
type NowClock struct {
	Check string `json:"check"`
	Held  Span   `json:"held_s"`
	Needs Span   `json:"needs_s"`
	// Progress is how far the evidence is of a check that counts, Lacks the same
	// in a few words, "" when it suffices.
	Progress *evidence.Progress `json:"progress,omitempty"`
	Lacks    string             `json:"lacks,omitempty"`
}

// A NowGuard is a guard and its check's last answer.
type NowGuard struct {
	Name    string           `json:"name"`
	Check   string           `json:"check"`
	Armed   bool             `json:"armed"`
	Tripped bool             `json:"tripped,omitempty"`
	Do      string           `json:"do"`
	To      string           `json:"to,omitempty"`
	Failing Span             `json:"failing_s,omitempty"`
	After   Span             `json:"after_s"` // of failing it fires
	Dark    Span             `json:"unknown_s,omitempty"`
	Reading evidence.Reading `json:"reading,omitzero"`
}

// A NowCheck is a check and its last answer.
type NowCheck struct {
	Name    string           `json:"name"`
	Watched bool             `json:"watched"`
	Reading evidence.Reading `json:"reading,omitzero"`
	Age     Span             `json:"age_s,omitempty"`
}

// A NowRollback is the rollback under way, or the last one.
type NowRollback struct {
	Phase   string    `json:"phase"`
	Start   bool      `json:"start,omitempty"`
	Why     string    `json:"why"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Took    Span      `json:"took_s"`
	Undone  int       `json:"undone"`
	Of      int       `json:"of"`
	Failed  []string  `json:"failed,omitempty"`
	Result  string    `json:"result,omitempty"`
	Because []string  `json:"because,omitempty"`
}
