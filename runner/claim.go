package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
)

// claim makes the run's resources its own. A run that cannot is over before it
// has touched anything; one that has been carried on before has its claims
// already and must not need the live systems to go on.
func (l *loop) claim(ctx context.Context) error {
	if len(l.state.Order) > 0 || l.state.Rollback != nil {
		return nil
	}
	var ids []string
	seen := map[string]bool{}
	for _, p := range l.rb.Phases {
		for _, def := range p.Steps {
			a, err := l.world.action(ctx, def)
			if err != nil {
				return fmt.Errorf("find out what the run will write: %w", err)
			}
			for _, res := range a.Resources() {
				if !seen[res.ID] {
					seen[res.ID] = true
					ids = append(ids, res.ID)
				}
			}
		}
	}
	err := l.r.Store.Claim(ctx, l.id, ids)
	var claimed *journal.ClaimedError
	if !errors.As(err, &claimed) {
		return err
	}
	if err := l.append(engine.Aborted{By: "segue: " + claimed.Error()}); err != nil {
		return err
	}
	now := time.Now()
	held, _, _ := l.lease.get()
	if err := l.r.Store.Finish(ctx, held, now); err != nil {
		return fmt.Errorf("finish run %s: %w", l.id, err)
	}
	if err := l.r.Vault.Destroy(l.id); err != nil {
		return err
	}
	return claimed
}
