package sandbox

import (
	"context"
	"fmt"
	"time"
)

const lookEvery = 50 * time.Millisecond

// Await looks until a condition holds; the error says what was last wrong.
func Await(ctx context.Context, what string, look func(context.Context) error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := look(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}
