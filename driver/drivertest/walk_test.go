package drivertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// desk is the live system of these tests: two drawers and a lock.
type desk struct {
	upper, lower string
	lock         string
	arrived      bool // somebody put something in that must stay
}

// fault names a way in which mover is broken.
type fault string

// mover puts things into both drawers, one after the other.
type mover struct {
	desk  *desk
	fault fault
}

type drawers struct {
	Upper string       `json:"upper"`
	Lower string       `json:"lower"`
	Lock  state.Secret `json:"lock"`
}

const where = "desk/1"

var planned = drawers{"ink", "paper", "open sesame!"}

func (m *mover) Resources() []driver.Resource {
	if m.fault == "names no resource" {
		return nil
	}
	return []driver.Resource{{ID: where, Name: "desk 1"}}
}

func (m *mover) Observe(context.Context) (state.State, error) {
	if m.fault == "observing writes" {
		m.desk.upper += "?"
	}
	if m.fault == "shows its secret" {
		return state.Of(where, map[string]string{"upper": m.desk.upper, "lower": m.desk.lower, "lock": m.desk.lock}), nil
	}
	if m.fault == "blind to drift" {
		return state.Of(where, map[string]string{"upper": m.desk.upper}), nil
	}
	return state.Of(where, drawers{m.desk.upper, m.desk.lower, state.Secret(m.desk.lock)}), nil
}

func (m *mover) Plan(before state.State) (state.State, error) {
	switch m.fault {
	case "plan changes its argument":
		before[where]["upper"] = []byte(`"x"`)
	case "always finds something to do":
		p := planned
		p.Upper = m.desk.upper + "+"
		return state.Of(where, p), nil
	case "shows its secret":
		return state.Of(where, map[string]string{"upper": planned.Upper, "lower": planned.Lower, "lock": string(planned.Lock)}), nil
	case "blind to drift":
		return state.Of(where, map[string]string{"upper": planned.Upper}), nil
	}
	return state.Of(where, planned), nil
}

func (m *mover) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	p := planned
	if m.fault == "apply is not idempotent" {
		p.Upper = m.desk.upper + "ink"
	}
	if m.fault == "lies about what is there" {
		p.Lower = "sand"
	}
	if err := m.set(ctx, e, p); err != nil {
		return nil, err
	}
	if m.fault == "lies about what is there" {
		return state.Of(where, planned), nil
	}
	return m.Observe(ctx)
}

func (m *mover) Undo(ctx context.Context, e driver.Effect) error {
	var p drawers
	if _, err := e.Before.Decode(where, &p); err != nil {
		return err
	}
	switch m.fault {
	case "undo does nothing":
		return nil
	case "undo needs that apply ran":
		if m.desk.upper != planned.Upper {
			return errors.New("nothing was applied")
		}
	case "undo works once":
		if m.desk.upper == p.Upper {
			p.Upper = "twice"
		}
	case "undo leaves drift":
		if m.desk.lower != planned.Lower {
			return nil
		}
	}
	err := m.set(ctx, e, p)
	if err == nil && (m.desk.arrived || m.fault == "keeps in silence") {
		return &driver.Kept{What: "a letter", Cost: "it would be lost", Fields: map[string][]string{where: {"lower"}}}
	}
	return err
}

// set writes drawer by drawer, each after asking.
func (m *mover) set(ctx context.Context, e driver.Effect, p drawers) error {
	mine := func() error {
		if m.fault == "never asks Mine" {
			return nil
		}
		if err := e.Mine(); err != nil && m.fault != "ignores that the lease is gone" {
			return err
		}
		if m.fault == "ignores cancellation" {
			<-time.After(300 * time.Millisecond)
			return nil
		}
		return ctx.Err()
	}
	if m.fault == "changes before it asks" {
		m.desk.upper = p.Upper
	}
	if m.desk.lock != string(p.Lock) {
		if err := mine(); err != nil {
			if m.fault == "tells its secret in an error" {
				return fmt.Errorf("lock %s: %w", p.Lock+"", errors.Join(errors.New(string(p.Lock)), err))
			}
			return err
		}
		m.desk.lock = string(p.Lock)
	}
	if err := e.Save(ctx, map[string]string{"done": "lock"}); err != nil && m.fault != "ignores that the lease is gone" {
		return err
	}
	if m.desk.upper != p.Upper {
		if err := mine(); err != nil {
			return err
		}
		m.desk.upper = p.Upper
	}
	if m.desk.lower != p.Lower && !m.desk.arrived {
		if err := mine(); err != nil {
			return err
		}
		m.desk.lower = p.Lower
	}
	return nil
}

// carrier is a mover that can go on after a crash.
type carrier struct{ mover }

func (c *carrier) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return c.Apply(ctx, e)
}

func subject(f fault) Subject {
	var promptly time.Duration
	if f == "ignores cancellation" {
		promptly = 50 * time.Millisecond
	}
	return Subject{
		Secrets:  []string{"open sesame!", "qwertz"},
		Promptly: promptly,
		World: func(testing.TB) World {
			d := &desk{upper: "dust", lower: "nothing", lock: "qwertz"}
			return World{
				Action: func() driver.Action {
					if f == "cannot resume" {
						return &mover{d, f}
					}
					return &carrier{mover{d, f}}
				},
				Disturb: func(context.Context) error { d.lower = "sand"; return nil },
			}
		},
	}
}

func TestWalkPassesASoundAction(t *testing.T) { Walk(t, subject("")) }

func TestWalkAcceptsWhatIsKeptOnPurpose(t *testing.T) {
	s := subject("keeps in silence")
	s.MayKeep = true
	Walk(t, s)
}

// TestWalkFindsBrokenActions is the negative control: each fault is found, by
// the rule that is meant to find it.
func TestWalkFindsBrokenActions(t *testing.T) {
	for f, finder := range map[fault]string{
		"names no resource":              "resources are canonical and cover what is observed",
		"observing writes":               "observing changes nothing",
		"plan changes its argument":      "planning is pure and deterministic",
		"always finds something to do":   "apply reaches what was planned and returns what is observed",
		"lies about what is there":       "apply reaches what was planned and returns what is observed",
		"apply is not idempotent":        "apply again changes nothing",
		"never asks Mine":                "apply asks whether it is still the one before each change",
		"changes before it asks":         "apply asks whether it is still the one before each change",
		"ignores that the lease is gone": "apply asks whether it is still the one before each change",
		"cannot resume":                  "apply asks whether it is still the one before each change",
		"ignores cancellation":           "apply returns promptly when cancelled",
		"undo does nothing":              "undo restores what was before",
		"keeps in silence":               "undo restores what was before",
		"undo works once":                "undo again changes nothing",
		"undo needs that apply ran":      "undo of what was never applied changes nothing",
		"blind to drift":                 "drift shows and a forced undo still restores",
		"undo leaves drift":              "drift shows and a forced undo still restores",
		"shows its secret":               "observing changes nothing",
		"tells its secret in an error":   "undo restores after a crash anywhere in apply",
	} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(rules, func(r rule) bool { return r.name == finder })
			if i < 0 {
				t.Fatalf("no rule is called %q", finder)
			}
			err := rules[i].run(t, subject(f))
			if err == nil {
				t.Fatalf("the rule %q does not find an action that %s", finder, f)
			}
			t.Log(err)
		})
	}
}

func TestLeaksAreFoundInEveryForm(t *testing.T) {
	for form, text := range map[string]string{
		"plain":       "password: a+b/c?d",
		"URL-encoded": "postgres://u:a%2Bb%2Fc%3Fd@h/",
		"base64":      "Basic YStiL2M/ZA==",
	} {
		t.Run(form, func(t *testing.T) {
			w := &walk{t: t, subject: Subject{Secrets: []string{"a+b/c?d"}}}
			w.say("nothing to see", text)
			if w.leaks() == nil {
				t.Errorf("a secret in %q is not found", text)
			}
		})
	}
}

func TestEveryRuleHasItsOwnName(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		names[r.name] = true
	}
	if len(names) != len(rules) {
		t.Errorf("%d rules share %d names: %v", len(rules), len(names), slices.Sorted(maps.Keys(names)))
	}
}
