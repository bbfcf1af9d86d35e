package report

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
)

// Seen is one stored reading of a check.
type Seen struct {
	Check   string
	Reading evidence.Reading
}

// Readings decodes stored readings, oldest first. One that does not decode is
// left out: readings are a convenience, the journal is the truth.
func Readings(stored []journal.Reading) []Seen {
	out := make([]Seen, 0, len(stored))
	for _, s := range stored {
		var r evidence.Reading
		if json.Unmarshal(s.Data, &r) != nil {
			continue
		}
		if r.At.IsZero() {
			r.At = s.At
		}
		out = append(out, Seen{s.Check, r})
	}
	slices.SortStableFunc(out, func(a, b Seen) int { return a.Reading.At.Compare(b.Reading.At) })
	return out
}

// Window is how far back readings bear on how a run stands: the longest time
// that one of its guards looks back, and at least some minutes.
func Window(rb *runbook.Runbook) time.Duration {
	w := 5 * time.Minute
	for _, g := range rb.Guards {
		w = max(w, g.FailsFor+5*g.Every, g.UnknownFor+5*g.Every)
	}
	return w
}
