package drivertest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/segue-run/segue/driver"
)

// life is one process's hold of the lease. It counts the boundaries that an
// action passes and ends at one of them.
type life struct {
	mu     sync.Mutex
	passed int             // boundaries so far
	endsAt int             // the boundary that says no, as do all after it; 0: none
	onPass func(n int)     // called at each boundary; may be nil
	cursor json.RawMessage // what was saved; outlives the life
}

// after is the next process's life: it finds the cursor.
func (l *life) after() *life { return &life{cursor: l.cursor} }

func (l *life) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passed
}

func (l *life) boundary() error {
	l.mu.Lock()
	l.passed++
	n, over := l.passed, l.endsAt > 0 && l.passed >= l.endsAt
	l.mu.Unlock()
	if l.onPass != nil {
		l.onPass(n)
	}
	if over {
		return fmt.Errorf("boundary %d: %w", n, driver.ErrNotMine)
	}
	return nil
}

func (l *life) effect(w *walk, s scene) driver.Effect {
	return driver.Effect{
		Before: copyOf(s.before),
		Want:   copyOf(s.want),
		Cursor: l.cursor,
		Mine:   l.boundary,
		Save: func(ctx context.Context, cursor any) error {
			if err := l.boundary(); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			raw, err := json.Marshal(cursor)
			if err != nil {
				return fmt.Errorf("the cursor is not JSON: %w", err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.cursor = raw
			w.say(string(raw))
			return nil
		},
	}
}
