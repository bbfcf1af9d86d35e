package logs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segue-run/segue/driver"
)

// A Line is one of a workload's, and when it says that it was written.
type Line struct {
	driver.LogLine
	// At is the line's own time, or that of the workload's line before it, which
	// it belongs to then; zero when there is none.
	At time.Time
}

// Merged reads several logs as one.
type Merged struct {
	readers []driver.LogReader
	last    map[string]time.Time
}

// Merge begins to read the logs that keepers have.
func Merge(keepers []driver.LogKeeper) *Merged {
	m := &Merged{last: map[string]time.Time{}}
	for _, k := range keepers {
		m.readers = append(m.readers, k.Follow())
	}
	return m
}

// Next is what was written since the call before, in the order of time; of the
// same time, and without one, in the order in which each workload has written.
func (m *Merged) Next(ctx context.Context) ([]Line, error) {
	var out []Line
	for _, r := range m.readers {
		lines, err := r.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the logs: %w", err)
		}
		for _, l := range lines {
			at, ok := stamp(l.Text)
			if !ok || at.Before(m.last[l.Workload]) { // never before what the workload has written before
				at = m.last[l.Workload]
			}
			m.last[l.Workload] = at
			out = append(out, Line{l, at})
		}
	}
	slices.SortStableFunc(out, func(a, b Line) int { return a.At.Compare(b.At) })
	return out, nil
}

// Since leaves out what is older; who says no time is not known to be.
func Since(lines []Line, from time.Time) []Line {
	return slices.DeleteFunc(lines, func(l Line) bool { return !l.At.IsZero() && l.At.Before(from) })
}
