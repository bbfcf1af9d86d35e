package evidence

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// at is a reading so many seconds after noon.
func at(sec float64, v Verdict) Reading {
	return Reading{At: noon.Add(time.Duration(sec * float64(time.Second))), Verdict: v}
}

func held(every, gap time.Duration, rs ...Reading) Hold {
	var h Hold
	for _, r := range rs {
		h = h.Next(r, every, gap)
	}
	return h
}

func TestHold(t *testing.T) {
	const every, gap = 5 * time.Second, 20 * time.Second
	for _, c := range []struct {
		name     string
		readings []Reading
		want     time.Duration
	}{
		{"nothing holds for nothing", nil, 0},
		{"one pass begins the clock", []Reading{at(0, Pass)}, 0},
		{"gaps between passes add up", []Reading{at(0, Pass), at(5, Pass), at(10, Pass)}, 10 * time.Second},
		{"a long gap counts as twice the period", []Reading{at(0, Pass), at(3600, Pass)}, 10 * time.Second},
		{"a failure starts anew", []Reading{at(0, Pass), at(5, Pass), at(10, Fail), at(15, Pass), at(20, Pass)}, 5 * time.Second},
		{"unknown freezes", []Reading{at(0, Pass), at(5, Pass), at(10, Unknown), at(15, Pass), at(20, Pass)}, 10 * time.Second},
		{"unknown for longer than the gap starts anew", []Reading{at(0, Pass), at(5, Pass), at(10, Unknown), at(31, Unknown), at(35, Pass)}, 0},
		{"also when the next reading is a pass", []Reading{at(0, Pass), at(5, Pass), at(10, Unknown), at(35, Pass)}, 0},
		{"time that runs backwards adds nothing", []Reading{at(10, Pass), at(5, Pass)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := held(every, gap, c.readings...); got.Held != c.want {
				t.Errorf("held %s, want %s", got.Held, c.want)
			}
		})
	}
}

func TestTheClockBeginsAnewWhenTheWatchedThingRestarts(t *testing.T) {
	of := func(sec float64, instance string) Reading {
		r := at(sec, Pass)
		r.Instance = instance
		return r
	}
	h := held(5*time.Second, time.Minute, of(0, "pid 7"), of(5, "pid 7"), of(10, "pid 7"))
	if h.Held != 10*time.Second {
		t.Errorf("held %s, want 10s", h.Held)
	}
	for name, next := range map[string]struct {
		h    Hold
		want time.Duration
	}{
		"another answers":                      {h.Next(of(15, "pid 8"), 5*time.Second, time.Minute), 0},
		"another answers, and does not know":   {h.Next(Reading{At: of(15, "").At, Instance: "pid 8"}, 5*time.Second, time.Minute), 0},
		"nobody knows who answers":             {h.Next(of(15, ""), 5*time.Second, time.Minute), 15 * time.Second},
		"another answers when Segue is back":   {h.Freeze().Next(of(500, "pid 8"), 5*time.Second, time.Minute), 0},
		"the same one answers when it is back": {h.Freeze().Next(of(500, "pid 7"), 5*time.Second, time.Minute), 10 * time.Second},
	} {
		if next.h.Held != next.want {
			t.Errorf("%s: held %s, want %s", name, next.h.Held, next.want)
		}
	}
}

func TestAFrozenHoldKeepsWhatItHasAndCountsNoAbsence(t *testing.T) {
	h := held(5*time.Second, time.Minute, at(0, Pass), at(5, Pass)).Freeze()
	h = h.Next(at(1000, Pass), 5*time.Second, time.Minute)
	if h.Held != 5*time.Second {
		t.Errorf("held %s, want 5s", h.Held)
	}
}

// Whatever is read, a gate's clock is never ahead of the time that passed, and
// without a pass it stands at nothing.
func TestHoldIsNeverAheadOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Hold
		now := noon
		passes := 0
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			v := Verdict(rapid.IntRange(0, 2).Draw(t, "verdict"))
			if v == Pass {
				passes++
			}
			was := h.Held
			h = h.Next(Reading{At: now, Verdict: v}, 5*time.Second, time.Minute)
			if v == Fail && h.Held != 0 {
				t.Fatalf("a failure left %s", h.Held)
			}
			if v == Unknown && h.Held > was {
				t.Fatalf("unknown added %s", h.Held-was)
			}
		}
		if h.Held > now.Sub(noon) || passes < 2 && h.Held > 0 {
			t.Fatalf("held %s after %s and %d passes", h.Held, now.Sub(noon), passes)
		}
	})
}

func alarmed(every time.Duration, rs ...Reading) Alarm {
	var a Alarm
	for _, r := range rs {
		a = a.Next(r, every)
	}
	return a
}

func TestAlarm(t *testing.T) {
	const every = 5 * time.Second
	for _, c := range []struct {
		name      string
		readings  []Reading
		due, dark bool // for 10 s
	}{
		{"nothing is quiet", nil, false, false},
		{"one failure is not ten seconds of failing", []Reading{at(0, Fail)}, false, false},
		{"ten seconds of failing", []Reading{at(0, Fail), at(5, Fail), at(10, Fail)}, true, false},
		{"a pass quiets it", []Reading{at(0, Fail), at(5, Pass), at(10, Fail)}, false, false},
		{"a hole in between is a break", []Reading{at(0, Fail), at(30, Fail)}, false, false},
		{"one unknown between does not hide a failure", []Reading{at(0, Fail), at(5, Unknown), at(10, Fail)}, true, false},
		{"ten seconds of silence", []Reading{at(0, Unknown), at(5, Unknown), at(10, Unknown)}, false, true},
		{"a source that hangs answers rarely", []Reading{at(0, Unknown), at(12, Unknown)}, false, true},
		{"a failure ends the silence", []Reading{at(0, Unknown), at(5, Fail), at(10, Unknown)}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := alarmed(every, c.readings...)
			if got := a.Due(10 * time.Second); got != c.due {
				t.Errorf("due %t, want %t", got, c.due)
			}
			if got := a.Dark(10 * time.Second); got != c.dark {
				t.Errorf("dark %t, want %t", got, c.dark)
			}
		})
	}
}

func TestAGuardWithoutATimeIsDueAtTheFirstFailureAndNeverBefore(t *testing.T) {
	if alarmed(time.Second, at(0, Pass)).Due(0) {
		t.Error("due without a failure")
	}
	if !alarmed(time.Second, at(0, Fail)).Due(0) {
		t.Error("not due at a failure")
	}
	if alarmed(time.Second, at(0, Unknown)).Dark(0) {
		t.Error("a guard that asks for no silence fires at it")
	}
}

func TestVerdictsAreWordsAndNothingElse(t *testing.T) {
	for _, v := range []Verdict{Pass, Fail, Unknown} {
		text, err := v.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Verdict
		if err := back.UnmarshalText(text); err != nil || back != v {
			t.Errorf("%s came back as %s, %v", v, back, err)
		}
	}
	var v Verdict
	if v.UnmarshalText([]byte("ok")) == nil {
		t.Error(`"ok" is no verdict`)
	}
}
