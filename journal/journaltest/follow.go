package journaltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

// promptly is how long a follower may take before a test calls it stuck.
const promptly = 5 * time.Second

var followTests = []test{
	{"a follower gets what was there and what comes, from another handle too", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 5)...)
		l := f.acquire(t, "a", start)
		writers := []journal.Store{f, open(t, f.place)}
		next := follow(t, f, 2)
		for n := 3; n <= 5; n++ {
			equal(t, "record", next(), stored(n, n, 0)[0])
		}
		for n := 6; n <= 12; n++ {
			if _, err := writers[n%2].Append(t.Context(), l, start, int64(n)-1, events(n, n)); err != nil {
				t.Fatal(err)
			}
			equal(t, "record", next(), stored(n, n, l.Epoch)[0])
		}
	}},
	{"a follower far behind catches up in order", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 2500)...)
		next := follow(t, f, 0)
		for n := 1; n <= 2500; n++ {
			equal(t, "record", next(), stored(n, n, 0)[0])
		}
	}},
	{"a follower ends with its context", func(t *testing.T, f *fixture) {
		f.create(t, run)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Follow(ctx, run, 0, func(journal.Record) error { return nil }) }()
		cancel()
		select {
		case err := <-done:
			wantErr(t, "follow", err, context.Canceled)
		case <-time.After(promptly):
			t.Fatal("the follower goes on")
		}
	}},
	{"a follower ends when its function fails, with that error", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 3)...)
		enough, seen := errors.New("enough"), int64(0)
		err := f.Follow(t.Context(), run, 0, func(r journal.Record) error {
			if seen = r.Seq; seen == 2 {
				return enough
			}
			return nil
		})
		if err != enough { //nolint:errorlint // as it is
			t.Fatalf("got %v, want it as it is", err)
		}
		equal(t, "last record", seen, 2)
	}},
	{"a follower ends when its store is closed", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 1)...)
		seen, done := make(chan struct{}), make(chan error, 1)
		go func() {
			done <- f.Follow(t.Context(), run, 0, func(journal.Record) error { close(seen); return nil })
		}()
		<-seen
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			wantErr(t, "follow", err, journal.ErrClosed)
		case <-time.After(promptly):
			t.Fatal("the follower goes on")
		}
	}},
	{"a follower may write, as it holds nothing", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 3)...)
		l := f.acquire(t, "a", start)
		enough := errors.New("enough")
		err := f.Follow(t.Context(), run, 0, func(r journal.Record) error {
			if r.Seq == 6 {
				return enough
			}
			if r.Seq > 3 {
				return nil
			}
			last := r.Seq + 2
			_, err := f.Append(t.Context(), l, start, last, []journal.Record{event(int(last) + 1)})
			return err
		})
		wantErr(t, "follow", err, enough)
		f.wantRecords(t, append(stored(1, 3, 0), stored(4, 6, l.Epoch)...)...)
	}},
}

// follow gives the records after seq one by one.
func follow(t *testing.T, s journal.Reader, after int64) (next func() journal.Record) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	records, done := make(chan journal.Record), make(chan error, 1)
	go func() {
		done <- s.Follow(ctx, run, after, func(r journal.Record) error {
			select {
			case records <- r:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("follow: %v", err)
		}
	})
	return func() journal.Record {
		t.Helper()
		select {
		case r := <-records:
			return r
		case <-time.After(promptly):
			t.Fatal("no record comes")
			return journal.Record{}
		}
	}
}
