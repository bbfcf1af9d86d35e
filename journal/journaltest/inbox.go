package journaltest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

var inboxTests = []test{
	{"messages come in order of arrival, without a lease", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.acquire(t, "a", start)
		var want []journal.Message
		for i, key := range []string{"z", "a", "m"} {
			m := journal.Message{ID: int64(i) + 1, Key: key, At: start.Add(-time.Duration(i) * time.Hour), Data: json.RawMessage(`{"signal":"pause"}`)}
			want = append(want, m)
			equal(t, "ID", f.send(t, key, m.At, m.Data), m.ID)
		}
		equal(t, "inbox", f.inbox(t, 0), want)
		equal(t, "inbox after 2", f.inbox(t, 2), want[2:])
		equal(t, "inbox after all", len(f.inbox(t, 3)), 0)
	}},
	{"a key seen before is the first message again", func(t *testing.T, f *fixture) {
		f.create(t, run)
		first := f.send(t, "k", start, json.RawMessage(`1`))
		f.send(t, "l", start, nil)
		equal(t, "ID of the second", f.send(t, "k", start.Add(time.Hour), json.RawMessage(`2`)), first)
		equal(t, "inbox", f.inbox(t, 0), []journal.Message{
			{ID: 1, Key: "k", At: start, Data: json.RawMessage(`1`)}, {ID: 2, Key: "l", At: start},
		})
	}},
	{"a key is one run's own", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.create(t, "other")
		f.send(t, "k", start, nil)
		id, err := f.Send(t.Context(), "other", "k", start, nil)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "ID in the other run", id, 1)
	}},
	{"many senders at once get IDs without gaps or doubles", func(t *testing.T, f *fixture) {
		f.create(t, run)
		stores := []journal.Store{f, open(t, f.place)}
		for _, err := range race(16, func(i int) error {
			_, err := stores[i%2].Send(t.Context(), run, fmt.Sprint(i%8), start, nil) // each twice
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		keys := map[string]bool{}
		for i, m := range f.inbox(t, 0) {
			equal(t, "ID", m.ID, int64(i)+1)
			keys[m.Key] = true
		}
		equal(t, "messages", len(keys), 8)
		equal(t, "messages", len(f.inbox(t, 0)), 8)
	}},
	{"a final run takes no new message but knows the old ones", func(t *testing.T, f *fixture) {
		f.create(t, run)
		f.send(t, "k", start, nil)
		if err := f.Finish(t.Context(), f.acquire(t, "a", start), start); err != nil {
			t.Fatal(err)
		}
		equal(t, "ID of the old one", f.send(t, "k", start, nil), 1)
		_, err := f.Send(t.Context(), run, "new", start, nil)
		wantErr(t, "a new one", err, journal.ErrFinal)
	}},
}

func (f *fixture) send(t *testing.T, key string, at time.Time, data json.RawMessage) int64 {
	t.Helper()
	id, err := f.Send(t.Context(), run, key, at, data)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (f *fixture) inbox(t *testing.T, after int64) []journal.Message {
	t.Helper()
	messages, err := f.Inbox(t.Context(), run, after)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}
