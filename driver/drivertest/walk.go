package drivertest

import (
	"context"
	"errors"
	"testing"

	"github.com/segue-run/segue/driver"
)

// Walk tests an action against everything that [driver.Action] promises. Each
// rule is a subtest in a world of its own.
func Walk(t *testing.T, s Subject) {
	t.Helper()
	_, irreversible := s.World(t).Action().(driver.Irreversible)
	for _, r := range rules {
		if irreversible && r.undoes {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			if s.Parallel {
				t.Parallel()
			}
			if err := r.run(t, s); err != nil {
				t.Error(err)
			}
		})
	}
}

// A rule is one promise, as a sentence, and what finds it broken.
type rule struct {
	name   string
	undoes bool // does not hold for what is irreversible
	check  func(*walk) error
}

// run reports how the subject breaks the rule; the negative controls use it.
func (r rule) run(t testing.TB, s Subject) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), s.timeout())
	defer cancel()
	w := &walk{t: t, ctx: ctx, subject: s}
	return errors.Join(r.check(w), w.leaks())
}

var rules = []rule{
	{"resources are canonical and cover what is observed", false, resources},
	{"observing changes nothing", false, observing},
	{"planning is pure and deterministic", false, planning},
	{"apply reaches what was planned and returns what is observed", false, applying},
	{"apply again changes nothing", false, applyingAgain},
	{"apply asks whether it is still the one before each change", false, applyCrashesAndGoesOn},
	{"apply returns promptly when cancelled", false, applyCancelled},
	{"undo restores what was before", true, undoing},
	{"undo again changes nothing", true, undoingAgain},
	{"undo of what was never applied changes nothing", true, undoingNothing},
	{"drift shows and a forced undo still restores", true, drifting},
	{"undo restores after a crash anywhere in apply", true, applyCrashesAndIsUndone},
	{"undo crashed anywhere is finished by another undo", true, undoCrashes},
	{"undo returns promptly when cancelled", true, undoCancelled},
	{"background work ends with its context", false, background},
	{"an irreversible action says what it loses", false, irreversible},
}
