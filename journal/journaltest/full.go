package journaltest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/segue-run/segue/journal"
)

var fullTests = []test{
	{"an append to a full disk stores nothing, and later ones work once there is room", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 2)...)
		l := f.acquire(t, "a", start)
		// The first would fit in what is left of a page; all together do not.
		records := append(events(3, 4), large())
		room := f.place.Full(t, f.Store)
		for range 3 {
			_, err := f.Append(t.Context(), l, start, 2, records)
			wantErr(t, "append", err, journal.ErrFull)
			f.wantRecords(t, stored(1, 2, 0)...)
		}
		room()
		f.append(t, l, start, 2, events(3, 4)...)
		f.wantRecords(t, append(stored(1, 2, 0), stored(3, 4, l.Epoch)...)...)
		f.wantSound(t)
	}},
	{"nothing else is half stored either", func(t *testing.T, f *fixture) {
		f.create(t, run)
		big := large().Data
		room := f.place.Full(t, f.Store)
		_, err := f.Send(t.Context(), run, "k", start, big)
		wantErr(t, "send", err, journal.ErrFull)
		wantErr(t, "create", f.Create(t.Context(), "new", "n", start, []journal.Record{event(1), large()}), journal.ErrFull)
		wantErr(t, "observe", f.Observe(t.Context(), []journal.Reading{{Run: run, Check: "c", At: start, Data: big}}), journal.ErrFull)
		wantErr(t, "claim", f.Claim(t.Context(), run, []string{"a", "b/" + string(big)}), journal.ErrFull)
		equal(t, "inbox", len(f.inbox(t, 0)), 0)
		equal(t, "claims", len(f.claims(t, run)), 0)
		runs, err := f.Runs(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "runs", len(runs), 1)
		room()
		equal(t, "ID", f.send(t, "k", start, big), 1)
		f.claim(t, run, "a")
		f.wantSound(t)
	}},
}

func large() journal.Record {
	return journal.Record{At: start, Type: "large", Data: json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 256<<10)) + `"`)}
}

// wantSound reads all runs through a handle opened now.
func (f *fixture) wantSound(t *testing.T) {
	t.Helper()
	s := open(t, f.place)
	runs, err := s.Runs(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if _, err := s.Read(t.Context(), r.Run, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
}
