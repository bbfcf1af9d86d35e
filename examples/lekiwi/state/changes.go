package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// changesNow is the `after` of who wants to know from now on.
const changesNow = -1

// changes reads up to limit of those after a seq.
func (s *store) changes(ctx context.Context, after int64, limit int) (api.Changes, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	fail := func(err error) (api.Changes, error) { return api.Changes{}, fmt.Errorf("read changes: %w", err) }
	if after == changesNow {
		out := api.Changes{Changes: []api.Change{}}
		if err := s.pool.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM events").Scan(&out.Next); err != nil {
			return fail(err)
		}
		return out, nil
	}
	rows, err := s.pool.Query(ctx, `SELECT e.seq, e.kind, e.robot_id, to_json(r)::text FROM events e LEFT JOIN robots r ON r.id = e.robot_id
		WHERE e.changed AND e.seq > $1 ORDER BY e.seq LIMIT $2`, after, limit)
	if err != nil {
		return fail(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c api.Change, err error) {
		var body []byte
		if err := row.Scan(&c.Seq, &c.Kind, &c.RobotID, &body); err != nil || body == nil {
			return c, err
		}
		c.Robot = new(robot.Robot)
		return c, json.Unmarshal(body, c.Robot)
	})
	if err != nil {
		return fail(err)
	}
	out := api.Changes{Changes: found, Next: after}
	if len(found) > 0 {
		out.Next = found[len(found)-1].Seq
	}
	return out, nil
}

// feed wakes up those who wait for changes.
type feed struct {
	store *store
	log   *slog.Logger

	mu   sync.Mutex
	news chan struct{} // closed and replaced when there is something new
}

func newFeed(s *store, log *slog.Logger) *feed {
	return &feed{store: s, log: log, news: make(chan struct{})}
}

// lookAgain is how long who waits relies on notices alone.
const lookAgain = time.Second

// after answers as soon as there are changes after a seq, and after wait without
// any.
func (f *feed) after(ctx context.Context, seq int64, limit int, wait time.Duration) (api.Changes, error) {
	until := time.Now().Add(wait)
	for {
		news := f.next() // before looking, or what comes between would be missed
		got, err := f.store.changes(ctx, seq, limit)
		left := time.Until(until)
		if err != nil || len(got.Changes) > 0 || seq == changesNow || left <= 0 {
			return got, err
		}
		select {
		case <-news:
		case <-time.After(min(left, lookAgain)):
		case <-ctx.Done():
			return api.Changes{}, context.Cause(ctx)
		}
	}
}

func (f *feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news
}

func (f *feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.news)
	f.news = make(chan struct{})
}

// run listens until ctx ends, and again after a while when it cannot.
func (f *feed) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.listen(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("changes are looked for each second: PostgreSQL tells of none", "error", err)
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
		}
	}
}

func (f *feed) listen(ctx context.Context) (err error) {
	pooled, err := f.store.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	conn := pooled.Hijack() // which listens: nobody else is to have it
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		f.wake() // first for what came while nobody listened
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("wait: %w", err)
		}
	}
}
