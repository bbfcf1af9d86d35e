package journaltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

var leaseTests = []test{
	{"a lease names its run, holder, epoch and end", func(t *testing.T, f *fixture) {
		f.create(t, run)
		equal(t, "lease", f.acquire(t, "a", start), journal.Lease{Run: run, Holder: "a", Epoch: 1, Expires: start.Add(ttl)})
	}},
	{"another holder is told who has it and until when", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l := f.acquire(t, "host a, pid 7", start)
		_, err := f.Acquire(t.Context(), run, "b", start.Add(ttl-1), ttl)
		var held *journal.HeldError
		if !errors.As(err, &held) {
			t.Fatalf("got %v, want a HeldError", err)
		}
		equal(t, "held", *held, journal.HeldError{Holder: "host a, pid 7", Epoch: l.Epoch, Expires: l.Expires})
		f.append(t, l, start, 0, event(1))
	}},
	{"the same holder asking again is not its former self", func(t *testing.T, f *fixture) {
		f.create(t, run)
		former := f.acquire(t, "a", start)
		now := f.acquire(t, "a", start.Add(1))
		equal(t, "new epoch", now.Epoch, former.Epoch+1)
		f.wantLost(t, former, start.Add(2))
		f.append(t, now, start.Add(2), 0, event(1))
	}},
	{"an expired lease is lost though nobody took it", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l := f.acquire(t, "a", start)
		f.append(t, l, l.Expires.Add(-1), 0, event(1))
		f.wantLost(t, l, l.Expires)
		f.wantRecords(t, stored(1, 1, l.Epoch)...)
	}},
	{"an expired lease goes to the next, and the former cannot write", func(t *testing.T, f *fixture) {
		f.create(t, run)
		former := f.acquire(t, "a", start)
		next := f.acquire(t, "b", former.Expires)
		equal(t, "epoch", next.Epoch, former.Epoch+1)
		f.wantLost(t, former, start) // whatever its clock says
		if err := f.Release(t.Context(), former); err != nil {
			t.Fatal(err)
		}
		f.append(t, next, next.Expires.Add(-1), 0, event(1))
		f.wantRecords(t, stored(1, 1, next.Epoch)...)
	}},
	{"renewing moves the end and keeps the epoch", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l := f.acquire(t, "a", start)
		later, err := f.Renew(t.Context(), l, start.Add(ttl/2), ttl)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "renewed", later, journal.Lease{Run: run, Holder: "a", Epoch: l.Epoch, Expires: start.Add(ttl/2 + ttl)})
		// The end is the store's: an old copy of the lease is as good.
		f.append(t, l, l.Expires, 0, event(1))
		_, err = f.Acquire(t.Context(), run, "b", l.Expires, ttl)
		var held *journal.HeldError
		if !errors.As(err, &held) {
			t.Fatalf("got %v, want a HeldError", err)
		}
	}},
	{"a released lease is free, lost to its holder, and its epoch never comes again", func(t *testing.T, f *fixture) {
		f.create(t, run)
		seen := map[int64]bool{}
		for i := range 5 {
			l := f.acquire(t, fmt.Sprint("holder ", i), start)
			if seen[l.Epoch] {
				t.Fatalf("epoch %d was used before", l.Epoch)
			}
			seen[l.Epoch] = true
			for range 2 { // releasing a lost lease does nothing
				if err := f.Release(t.Context(), l); err != nil {
					t.Fatal(err)
				}
			}
			f.wantLost(t, l, start)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			f.Store = open(t, f.place)
		}
	}},
	{"of many who ask at once one gets it", func(t *testing.T, f *fixture) {
		f.create(t, run)
		stores := []journal.Store{f, open(t, f.place)}
		got := 0
		for _, err := range race(8, func(i int) error {
			_, err := stores[i%2].Acquire(t.Context(), run, fmt.Sprint(i), start, ttl)
			return err
		}) {
			var held *journal.HeldError
			if err == nil {
				got++
			} else if !errors.As(err, &held) {
				t.Fatal(err)
			}
		}
		equal(t, "leases", got, 1)
	}},
	{"an epoch from the future is no lease", func(t *testing.T, f *fixture) {
		f.create(t, run)
		l := f.acquire(t, "a", start)
		l.Epoch++
		f.wantLost(t, l, start)
	}},
	{"a stale writer hears of its lease before its sequence", func(t *testing.T, f *fixture) {
		f.create(t, run)
		former := f.acquire(t, "a", start)
		next := f.acquire(t, "b", former.Expires)
		f.append(t, next, former.Expires, 0, event(1))
		_, err := f.Append(t.Context(), former, start, 0, events(1, 1))
		wantErr(t, "append", err, journal.ErrLeaseLost)
	}},
}

// wantLost checks that nothing can be done with l at now.
func (f *fixture) wantLost(t *testing.T, l journal.Lease, now time.Time) {
	t.Helper()
	records, err := f.Read(t.Context(), l.Run, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Append(t.Context(), l, now, int64(len(records)), events(1, 1))
	wantErr(t, "append", err, journal.ErrLeaseLost)
	_, err = f.Renew(t.Context(), l, now, ttl)
	wantErr(t, "renew", err, journal.ErrLeaseLost)
	wantErr(t, "finish", f.Finish(t.Context(), l, now), journal.ErrLeaseLost)
}
