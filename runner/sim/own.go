package sim

import (
	"context"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// own is a set that builds on nothing that somebody else has written, which is
// what begins with byHand; where it restores it goes over that.
type own struct{ set }

// byHand begins what somebody else writes.
const byHand = "by hand"

func (o *own) Plan(before state.State) (state.State, error) {
	for _, c := range o.q.Cells {
		var f cellFields
		if _, err := before.Decode(id(c), &f); err != nil {
			return nil, err
		}
		if strings.HasPrefix(f.Value, byHand) {
			return nil, &driver.Refusal{System: "the world", Reason: "cell " + c + " was edited", Remedy: "put it back"}
		}
	}
	return o.set.Plan(before)
}

// PlanOver implements driver.Overrider.
func (o *own) PlanOver(before state.State) (state.State, error) { return o.set.Plan(before) }

type phoneParams struct{}

// Reaches says whom it can tell: whoever has it.
func (phoneParams) Reaches([]string) error { return nil }

// phone is a connection that an escalation may name.
type phone struct{}

func (phone) Close() error { return nil }

func (phone) Tell(context.Context, driver.Notice, string, string) (string, error) { return "", nil }
