package journaltest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

func reading(id, check string, second int) journal.Reading {
	return journal.Reading{
		Run: id, Check: check, At: start.Add(time.Duration(second) * time.Second),
		Data: json.RawMessage(fmt.Sprintf(`{"value":%d}`, second)),
	}
}

var readingTests = []test{
	{"readings come back by check and time, oldest first", func(t *testing.T, f *fixture) {
		f.observe(t, reading(run, "lag", 3), reading(run, "lag", 1), reading("other", "lag", 2), reading(run, "errors", 2))
		f.observe(t)
		for _, tt := range []struct {
			check string
			since int
			want  []journal.Reading
		}{
			{"lag", 0, []journal.Reading{reading(run, "lag", 1), reading(run, "lag", 3)}},
			{"lag", 3, []journal.Reading{reading(run, "lag", 3)}},
			{"lag", 4, nil},
			{"", 0, []journal.Reading{reading(run, "lag", 1), reading(run, "errors", 2), reading(run, "lag", 3)}},
			{"", 2, []journal.Reading{reading(run, "errors", 2), reading(run, "lag", 3)}},
			{"none", 0, nil},
		} {
			got, err := f.Readings(t.Context(), run, tt.check, start.Add(time.Duration(tt.since)*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, fmt.Sprintf("readings of %q since %d s", tt.check, tt.since), got, tt.want)
		}
		all, err := f.Readings(t.Context(), run, "", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "readings since ever", len(all), 3)
	}},
	{"pruning drops a run's readings before a time and no records", func(t *testing.T, f *fixture) {
		f.create(t, run, events(1, 3)...)
		f.observe(t, reading(run, "a", 1), reading(run, "b", 2), reading(run, "a", 3), reading("other", "a", 1))
		n, err := f.Prune(t.Context(), run, start.Add(3*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "dropped", n, 2)
		left, err := f.Readings(t.Context(), run, "", start)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "left", left, []journal.Reading{reading(run, "a", 3)})
		left, err = f.Readings(t.Context(), "other", "a", start)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "left of the other run", left, []journal.Reading{reading("other", "a", 1)})
		f.wantRecords(t, stored(1, 3, 0)...)
	}},
}

func (f *fixture) observe(t *testing.T, readings ...journal.Reading) {
	t.Helper()
	if err := f.Observe(t.Context(), readings); err != nil {
		t.Fatal(err)
	}
}
