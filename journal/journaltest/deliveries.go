package journaltest

import (
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

func delivery(id, key string, tries int) journal.Delivery {
	at := start.Add(time.Duration(tries) * time.Second)
	return journal.Delivery{
		Run: id, Key: key, To: "alerts #migration", What: "step a/ü is done", Tries: tries, At: at, Next: at.Add(time.Minute), Error: "503 <busy>",
	}
}

var deliveryTests = []test{
	{"a delivery is kept, and what becomes of it takes its place", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.create(t, "other")
		b, a, other := delivery(run, "b", 1), delivery(run, "a", 1), delivery("other", "a", 3)
		for _, d := range []journal.Delivery{b, a, other} {
			f.deliver(t, d)
		}
		f.wantDeliveries(t, run, b, a)
		b = delivery(run, "b", 2)
		b.Next, b.Delivered, b.Error, b.Thread, b.To, b.What = time.Time{}, true, "", "1503435956.000247", "x", "y"
		f.deliver(t, b)
		f.wantDeliveries(t, run, b, a)
		f.wantDeliveries(t, "other", other)
	}},
	{"a delivery needs a run and no lease, and a run that is final has more", func(t *testing.T, f *fixture) {
		wantErr(t, "deliver to no run", f.Deliver(t.Context(), delivery("none", "a", 1)), journal.ErrNotFound)
		_, err := f.Deliveries(t.Context(), "none")
		wantErr(t, "deliveries of no run", err, journal.ErrNotFound)
		f.create(t, run)
		f.wantDeliveries(t, run)
		l := f.acquire(t, "a", start)
		f.deliver(t, delivery(run, "a", 1))
		if err := f.Finish(t.Context(), l, start); err != nil {
			t.Fatal(err)
		}
		f.deliver(t, delivery(run, "b", 1))
		f.deliver(t, delivery(run, "a", 2))
		f.wantDeliveries(t, run, delivery(run, "a", 2), delivery(run, "b", 1))
		f.wantRecords(t)
	}},
	{"deliveries are there for the next process", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.deliver(t, delivery(run, "a", 1))
		again := &fixture{Store: open(t, f.place), place: f.place}
		again.wantDeliveries(t, run, delivery(run, "a", 1))
	}},
}

func (f *fixture) deliver(t *testing.T, d journal.Delivery) {
	t.Helper()
	if err := f.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) wantDeliveries(t *testing.T, id string, want ...journal.Delivery) {
	t.Helper()
	got, err := f.Deliveries(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "deliveries", got, want)
}
