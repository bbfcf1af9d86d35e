package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
)

// claim makes the run's resources its own. A run that cannot is over before it
// has touched anything; one that has been carried on before has its claims
// already and must not need the live systems to go on.
func (l *loop) claim(ctx context.Context) error {
	if len(l.state.Order) > 0 || l.state.Rollback != nil {
		return nil
	}
	// Claims are made all at once: who has one has them all.
	if has, err := l.r.Store.Claims(ctx, l.id); err != nil || len(has) > 0 {
		return err
	}
	looking, cancel := context.WithTimeout(ctx, observeFor)
	defer cancel()
	ids, err := within(looking, l.world.writes)
	if err != nil {
		return err
	}
	err = l.r.Store.Claim(ctx, l.id, ids)
	var claimed *journal.ClaimedError
	if !errors.As(err, &claimed) {
		return err
	}
	claimed.Name = l.nameOf(ctx, claimed.Run)
	if err := l.append(engine.Aborted{By: "segue: " + claimed.Error()}); err != nil {
		return err
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	return claimed
}

// nameOf is the name of a run's runbook, "" when it cannot be told.
func (l *loop) nameOf(ctx context.Context, run string) string {
	runs, err := l.r.Store.Runs(ctx, time.Now())
	if err != nil {
		return ""
	}
	for _, r := range runs {
		if r.Run == run {
			return r.Name
		}
	}
	return ""
}

// writes lists the canonical identities of all that the runbook's steps write.
func (w *world) writes(ctx context.Context) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	for _, def := range w.runbook().AllSteps() {
		a, err := w.action(ctx, def)
		if err != nil {
			return nil, fmt.Errorf("find out what the run will write: %w", err)
		}
		for _, res := range a.Resources() {
			if !seen[res.ID] {
				seen[res.ID] = true
				ids = append(ids, res.ID)
			}
		}
	}
	return ids, nil
}

// claimToo claims what an amended runbook writes beside what the run has.
func (l *loop) claimToo(rb *runbook.Runbook) error {
	ctx, cancel := context.WithTimeout(l.ctx, 10*time.Second)
	defer cancel()
	w := newWorld(l.r, rb)
	defer w.close()
	ids, err := within(ctx, w.writes)
	if err != nil {
		return err
	}
	return l.r.Store.Claim(ctx, l.id, ids)
}
