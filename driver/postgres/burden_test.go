package postgres

import (
	"testing"
	"time"
)

func TestAStandbyIsLateByTheOldestEndOfTheLogThatItHasNotReached(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var l late
	for _, c := range []struct {
		second        int
		end, replayed string
		want          time.Duration
	}{
		{0, "0/100", "0/100", 0},
		{1, "0/200", "0/100", 0}, // since when is not known
		{2, "0/300", "0/100", time.Second},
		{9, "0/300", "0/180", 8 * time.Second},
		{10, "0/400", "0/200", 0}, // it goes on, and has replay_lag to tell of
		{12, "0/400", "0/300", 2 * time.Second},
		{13, "0/400", "0/400", 0},
		{60, "0/400", "0/400", 0}, // nobody writes
		{61, "1/0", "", 0},        // a new one, which has told nothing
		{62, "1/0", "", time.Second},
	} {
		got, err := l.look(c.end, c.replayed, began.Add(time.Duration(c.second)*time.Second))
		if err != nil || got != c.want {
			t.Errorf("after %d s: %v (%v), want %v", c.second, got, err, c.want)
		}
	}
}
