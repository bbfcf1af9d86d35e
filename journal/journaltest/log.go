package journaltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

var logTests = []test{
	{"a run starts with its first records in epoch 0", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 3)...)
		f.wantRecords(t, stored(1, 3, 0)...)
	}},
	{"a run may start empty", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.wantRecords(t)
	}},
	{"an ID is taken once, also when both ask at the same time", func(t *testing.T, f *fixture) {
		other := open(t, f.place)
		made := race(2, func(i int) error {
			return []journal.Store{f, other}[i].Create(t.Context(), run, "n", start, events(1, 1))
		})
		if (made[0] == nil) == (made[1] == nil) {
			t.Fatalf("one creation succeeds: %v", made)
		}
		wantErr(t, "the other", errors.Join(made...), journal.ErrExists)
		f.wantRecords(t, stored(1, 1, 0)...)
	}},
	{"an append carries on after the last sequence, in its epoch", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 1)...)
		l := f.acquire(t, "a", start)
		f.append(t, l, start, 1, events(2, 4)...)
		f.append(t, l, start, 4, events(5, 5)...)
		f.wantRecords(t, append(stored(1, 1, 0), stored(2, 5, l.Epoch)...)...)
	}},
	{"sequence and epoch are the store's, not the caller's", func(t *testing.T, f *fixture) {
		wrong := event(1)
		wrong.Seq, wrong.Epoch = 77, 78
		f.create(t, run, wrong)
		f.wantRecords(t, stored(1, 1, 0)...)
	}},
	{"an append after another sequence is refused whole", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 2)...)
		l := f.acquire(t, "a", start)
		for _, last := range []int64{-1, 0, 1, 3} {
			_, err := f.Append(t.Context(), l, start, last, events(3, 4))
			wantErr(t, fmt.Sprintf("append after %d", last), err, journal.ErrSequence)
		}
		f.wantRecords(t, stored(1, 2, 0)...)
	}},
	{"of two appends at once one is stored", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l := f.acquire(t, "a", start)
		stores := []journal.Store{f, open(t, f.place)}
		for last := range int64(20) {
			errs := race(4, func(i int) error {
				_, err := stores[i%2].Append(t.Context(), l, start, last, events(int(last)+1, int(last)+1))
				return err
			})
			stored := 0
			for _, err := range errs {
				if err == nil {
					stored++
				} else {
					wantErr(t, "who came second", err, journal.ErrSequence)
				}
			}
			equal(t, "appends stored", stored, 1)
		}
		f.wantRecords(t, stored(1, 20, l.Epoch)...)
	}},
	{"an append of nothing checks and stores nothing", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 2)...)
		l := f.acquire(t, "a", start)
		f.append(t, l, start, 2)
		_, err := f.Append(t.Context(), l, start, 1, nil)
		wantErr(t, "after another sequence", err, journal.ErrSequence)
		f.wantRecords(t, stored(1, 2, 0)...)
	}},
	{"what was stored is there for the next process", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 1)...)
		f.append(t, f.acquire(t, "a", start), start, 1, events(2, 9)...)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		f.Store = open(t, f.place)
		f.wantRecords(t, append(stored(1, 1, 0), stored(2, 9, 1)...)...)
	}},
	{"a record without a time has that of the call, in UTC", func(t *testing.T, f *fixture) {
		zone := time.FixedZone("CET", 3600)
		f.create(t, run, journal.Record{Type: "a"}, journal.Record{Type: "b", At: start.In(zone)})
		l := f.acquire(t, "a", start)
		f.append(t, l, start.Add(time.Second).In(zone), 2, journal.Record{Type: "c"})
		f.wantRecords(t,
			journal.Record{Seq: 1, Type: "a", At: start}, journal.Record{Seq: 2, Type: "b", At: start},
			journal.Record{Seq: 3, Type: "c", At: start.Add(time.Second), Epoch: l.Epoch})
	}},
	{"data comes back byte for byte, large and absent too", func(t *testing.T, f *fixture) {
		large := json.RawMessage(`"` + string(bytes.Repeat([]byte("x\u00e9"), 20_000)) + `"`)
		spaced := json.RawMessage("{ \"b\":1.0,\n\"a\":null }")
		f.create(t, run, journal.Record{At: start, Data: large}, journal.Record{At: start}, journal.Record{At: start, Data: spaced})
		f.wantRecords(t, journal.Record{Seq: 1, At: start, Data: large}, journal.Record{Seq: 2, At: start}, journal.Record{Seq: 3, At: start, Data: spaced})
	}},
	{"reading starts after a sequence and ends at the limit", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 10)...)
		for _, tt := range []struct {
			after       int64
			limit, from int
			to          int
		}{{0, 0, 1, 10}, {0, 3, 1, 3}, {4, 0, 5, 10}, {4, 2, 5, 6}, {8, 100, 9, 10}, {10, 0, 1, 0}, {11, 5, 1, 0}, {-5, 1, 1, 1}} {
			got, err := f.Read(t.Context(), run, tt.after, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, fmt.Sprintf("after %d, limit %d", tt.after, tt.limit), got, stored(tt.from, tt.to, 0))
		}
	}},
	{"runs do not see each other's records", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 2)...)
		f.create(t, run+"/x", events(5, 9)...)
		f.create(t, run[:3], events(5, 6)...)
		f.wantRecords(t, stored(1, 2, 0)...)
	}},
	{"a run nobody created is not found", func(t *testing.T, f *fixture) {
		ctx, l := t.Context(), journal.Lease{Run: run, Epoch: 1, Holder: "a"}
		_, read := f.Read(ctx, run, 0, 0)
		_, acquire := f.Acquire(ctx, run, "a", start, ttl)
		_, renew := f.Renew(ctx, l, start, ttl)
		_, appended := f.Append(ctx, l, start, 0, events(1, 1))
		_, send := f.Send(ctx, run, "k", start, nil)
		_, inbox := f.Inbox(ctx, run, 0)
		for what, err := range map[string]error{
			"read": read, "acquire": acquire, "renew": renew, "append": appended, "send": send, "inbox": inbox,
			"finish": f.Finish(ctx, l, start), "follow": f.Follow(ctx, run, 0, func(journal.Record) error { return nil }),
		} {
			wantErr(t, what, err, journal.ErrNotFound)
		}
	}},
	{"runs are listed newest first with where they stand", func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.create(t, run, events(1, 2)...)
		f.acquire(t, "host a, pid 7", start)
		if err := f.Create(ctx, "00LATER", "second", start.Add(time.Hour), nil); err != nil {
			t.Fatal(err)
		}
		f.create(t, "02RUN")
		l, err := f.Acquire(ctx, "02RUN", "b", start, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Finish(ctx, l, start); err != nil {
			t.Fatal(err)
		}
		if err := f.Release(ctx, l); err != nil {
			t.Fatal(err)
		}
		want := []journal.Summary{
			{Run: "00LATER", Name: "second", Created: start.Add(time.Hour), Last: start.Add(time.Hour)},
			{Run: "02RUN", Name: "topology", Created: start, Last: start, Final: true},
			{Run: run, Name: "topology", Created: start, LastSeq: 2, Last: event(2).At, Holder: "host a, pid 7"},
		}
		got, err := f.Runs(ctx, start.Add(ttl-1))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "runs", got, want)
		want[2].Holder = ""
		if got, err = f.Runs(ctx, start.Add(ttl)); err != nil {
			t.Fatal(err)
		}
		equal(t, "runs once the lease is over", got, want)
	}},
	{"a final run is closed for good", func(t *testing.T, f *fixture) {
		ctx := t.Context()
		f.create(t, run, events(1, 1)...)
		l := f.acquire(t, "a", start)
		for range 2 { // finishing again is fine
			if err := f.Finish(ctx, l, start); err != nil {
				t.Fatal(err)
			}
		}
		_, err := f.Append(ctx, l, start, 1, events(2, 2))
		wantErr(t, "append", err, journal.ErrFinal)
		_, err = f.Acquire(ctx, run, "b", start.Add(time.Hour), ttl)
		wantErr(t, "acquire", err, journal.ErrFinal)
		f.wantRecords(t, stored(1, 1, 0)...)
	}},
	{"a call whose context is over stores nothing", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l := f.acquire(t, "a", start)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.Append(ctx, l, start, 0, events(1, 1))
		wantErr(t, "append", err, context.Canceled)
		f.wantRecords(t)
	}},
	{"a call whose context ends meanwhile stores all or nothing, and says which", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l, last := f.acquire(t, "a", start), int64(0)
		for i := range 150 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*8*time.Microsecond)
			next, err := f.Append(ctx, l, start, last, events(int(last)+1, int(last)+2))
			cancel()
			if err == nil {
				last = next
			} else {
				wantErr(t, "append", err, context.DeadlineExceeded)
			}
			if i%10 == 0 {
				f.wantRecords(t, stored(1, int(last), l.Epoch)...)
			}
		}
		f.wantRecords(t, stored(1, int(last), l.Epoch)...)
	}},
	{"a closed store says so", func(t *testing.T, f *fixture) {
		f.create(t, run)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := f.Read(t.Context(), run, 0, 0)
		wantErr(t, "read", err, journal.ErrClosed)
		wantErr(t, "create", f.Create(t.Context(), "x", "x", start, nil), journal.ErrClosed)
	}},
}

// race runs n calls at once.
func race(n int, call func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = call(i) })
	}
	wg.Wait()
	return errs
}
