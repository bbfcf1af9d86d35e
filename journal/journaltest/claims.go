package journaltest

import (
	"errors"
	"testing"

	"github.com/segue-run/segue/journal"
)

var claimTests = []test{
	{"one resource, what contains it and what lies in it go to one run", func(t *testing.T, f *fixture) {
		f.claim(t, "first", "nats/c1/acct/ORDERS")
		for _, id := range []string{
			"nats/c1/acct/ORDERS", "nats/c1/acct/ORDERS/", " nats/c1/acct/ORDERS//", // itself, however spelled
			"nats", "nats/c1", "nats/c1/acct/",
			"nats/c1/acct/ORDERS/consumer/x",
		} {
			f.wantClaimed(t, "second", id, journal.ClaimedError{Resource: "nats/c1/acct/ORDERS", Run: "first"})
		}
		equal(t, "claims of the second", f.claims(t, "second"), nil)
	}},
	{"neighbours with a common beginning do not touch", func(t *testing.T, f *fixture) {
		f.claim(t, "first", "nats/c1/acct/ORDERS")
		f.claim(t, "second", "nats/c1/acct/ORDERS_HOT", "nats/c1/acct/ORDERS-2/x", "nats/c1/acct/ORDER", "nats/c1/acct/ORDERS.a", "nats/c1/acct/ORDERS0")
		f.claim(t, "third", "nats/c1/acct/orders", "nats://c1/acct/ORDERS", "file:/etc/nginx/ängine", "a%b", "a_b")
		f.claim(t, "fourth", "axb")
	}},
	{"claims are all or none", func(t *testing.T, f *fixture) {
		f.claim(t, "first", "b/x")
		f.wantClaimed(t, "second", "a", journal.ClaimedError{Resource: "b/x", Run: "first"}, "b", "c")
		equal(t, "claims of the second", f.claims(t, "second"), nil)
		f.claim(t, "third", "a", "c")
	}},
	{"a run may claim again, wider and narrower", func(t *testing.T, f *fixture) {
		f.claim(t, "first", "a/b", "a/b/c", "a")
		f.claim(t, "first", "a/b/", "d")
		equal(t, "claims", f.claims(t, "first"), []string{"a", "a/b", "a/b/c", "d"})
	}},
	{"what has no identity cannot be claimed", func(t *testing.T, f *fixture) {
		for _, id := range []string{"", "/", "  "} {
			wantErr(t, "claim", f.Claim(t.Context(), "first", []string{"a", id}), journal.ErrResource)
		}
		equal(t, "claims", f.claims(t, "first"), nil)
	}},
	{"claims outlive the process and its lease", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.claim(t, run, "a")
		if err := f.Release(t.Context(), f.acquire(t, "a", start)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		f.Store = open(t, f.place)
		f.wantClaimed(t, "second", "a", journal.ClaimedError{Resource: "a", Run: run})
	}},
	{"unclaiming frees all of a run, and only of that run", func(t *testing.T, f *fixture) {
		f.claim(t, "first", "a", "b")
		f.claim(t, "second", "c")
		if err := f.Unclaim(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		f.claim(t, "third", "a/x", "b")
		f.wantClaimed(t, "third", "c", journal.ClaimedError{Resource: "c", Run: "second"})
	}},
	{"a final run has no claims and makes none", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.claim(t, run, "a", "b")
		if err := f.Finish(t.Context(), f.acquire(t, "a", start), start); err != nil {
			t.Fatal(err)
		}
		equal(t, "claims", f.claims(t, run), nil)
		f.claim(t, "second", "a", "b")
		wantErr(t, "claim", f.Claim(t.Context(), run, []string{"d"}), journal.ErrFinal)
	}},
	{"of many who claim at once one gets it", func(t *testing.T, f *fixture) {
		stores := []journal.Store{f, open(t, f.place)}
		ids := []string{"a", "a/b", "a/b/c", "a/b"}
		got := 0
		for _, err := range race(4, func(i int) error {
			return stores[i%2].Claim(t.Context(), "run "+string(rune('1'+i)), ids[i:i+1])
		}) {
			var claimed *journal.ClaimedError
			if err == nil {
				got++
			} else if !errors.As(err, &claimed) {
				t.Fatal(err)
			}
		}
		equal(t, "claims", got, 1)
	}},
}

func (f *fixture) claim(t *testing.T, id string, resources ...string) {
	t.Helper()
	if err := f.Claim(t.Context(), id, resources); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) claims(t *testing.T, id string) []string {
	t.Helper()
	held, err := f.Claims(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func (f *fixture) wantClaimed(t *testing.T, id, resource string, want journal.ClaimedError, more ...string) {
	t.Helper()
	err := f.Claim(t.Context(), id, append([]string{resource}, more...))
	var claimed *journal.ClaimedError
	if !errors.As(err, &claimed) {
		t.Fatalf("claim %s for run %s: got %v, want a ClaimedError", resource, id, err)
	}
	equal(t, "who has it", *claimed, want)
}
