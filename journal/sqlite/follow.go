package sqlite

import (
	"context"
	"time"

	"github.com/segue-run/segue/journal"
)

// pollEvery is how late a follower in another process may be.
const pollEvery = 50 * time.Millisecond

// followBatch bounds how much a follower that is far behind reads at once, and
// with it how long its view keeps the log from being folded into the file.
const followBatch = 1000

// Follow implements journal.Reader. SQLite tells other processes nothing, so
// it looks again every 50 ms; fn runs outside of any transaction.
func (r *Reader) Follow(ctx context.Context, run string, after int64, fn func(journal.Record) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		records, err := r.Read(ctx, run, after, followBatch)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, rec := range records {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(rec); err != nil {
				return err
			}
			after = rec.Seq
		}
		if len(records) == followBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
