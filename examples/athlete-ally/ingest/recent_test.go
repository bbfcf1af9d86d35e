package ingest

import (
	"testing"
	"time"
)

func TestRecentForgetsAfterOneToTwoLifetimes(t *testing.T) {
	now := time.Unix(0, 0)
	r := newRecent(time.Minute, func() time.Time { return now })
	r.add("a")
	for _, step := range []struct {
		after time.Duration
		has   bool
	}{
		{0, true},
		{59 * time.Second, true},
		{time.Minute, true},
		{119 * time.Second, true},
		{2 * time.Minute, false},
	} {
		now = time.Unix(0, 0).Add(step.after)
		if got := r.has("a"); got != step.has {
			t.Errorf("after %s: has = %v, want %v", step.after, got, step.has)
		}
	}
	r.add("b")
	now = now.Add(10 * time.Minute)
	if r.has("b") {
		t.Error("b is remembered after ten minutes of silence")
	}
}
