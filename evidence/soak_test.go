package evidence

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// counted is a reading of a check that has counted so much since it began.
func counted(sec float64, restarts int, n Counts, recent Verdict) Reading {
	r := at(sec, Unknown)
	r.Tally = &Tally{Claim: Claim{Below: 0.1, Confidence: 0.95}, Begun: noon, Restarts: restarts, Counts: n, Recent: recent}
	return r
}

func TestAGateJudgesOverItsOwnSoak(t *testing.T) {
	// A million clean requests before the gate opened prove nothing of it…
	h := held(5*time.Second, time.Minute,
		counted(0, 0, Counts{Total: 1e6}, Pass), counted(5, 0, Counts{Total: 1e6 + 10}, Pass), counted(10, 0, Counts{Total: 1e6 + 20}, Pass))
	if h.Passes != 0 || h.Held != 0 || h.Soak.Counts.Total != 20 {
		t.Errorf("20 requests: %+v of %+v", h, h.Soak)
	}
	// …and a thousand bad ones do not hold it up.
	h = held(5*time.Second, time.Minute,
		counted(0, 0, Counts{Bad: 1000, Total: 1000}, Pass), counted(5, 0, Counts{Bad: 1000, Total: 2000}, Pass), counted(10, 0, Counts{Bad: 1000, Total: 3000}, Pass))
	if h.Passes != 2 || h.Held != 5*time.Second {
		t.Errorf("2,000 clean requests: %+v of %+v", h, h.Soak)
	}
}

func TestAGatesClock(t *testing.T) {
	clean := []Reading{counted(0, 0, Counts{}, Pass), counted(5, 0, Counts{Total: 500}, Pass), counted(10, 0, Counts{Total: 1000}, Pass)}
	for name, c := range map[string]struct {
		last    Reading
		held    time.Duration
		samples float64
	}{
		"goes on":                          {counted(15, 0, Counts{Total: 1500}, Pass), 10 * time.Second, 1500},
		"is frozen when traffic vanishes":  {counted(15, 0, Counts{Total: 1000}, Unknown), 5 * time.Second, 1000},
		"starts anew at a detected change": {counted(15, 0, Counts{Bad: 40, Total: 1500}, Fail), 0, 1500},
		"starts anew, with all its evidence, when the watched thing restarts": {counted(15, 1, Counts{Total: 30}, Pass), 0, 30},
		"takes an old tally for what it is":                                   {counted(15, 0, Counts{Total: 700}, Pass), 5 * time.Second, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			h := held(5*time.Second, time.Minute, append(clean, c.last)...)
			if h.Held != c.held || h.Soak.Counts.Total != c.samples {
				t.Errorf("held %s with %g samples, want %s with %g", h.Held, h.Soak.Counts.Total, c.held, c.samples)
			}
		})
	}
}

// Traffic that dies in mid-soak is told of only after a while (max-age): until
// then its proof still passes, and must not open a gate by the clock alone.
func TestTrafficThatHasDiedHoldsNothing(t *testing.T) {
	h := held(5*time.Second, time.Minute, counted(0, 0, Counts{}, Pass), counted(5, 0, Counts{Total: 500}, Pass), counted(10, 0, Counts{Total: 900}, Pass))
	for sec := 15.0; sec <= 120; sec += 5 {
		h = h.Next(counted(sec, 0, Counts{Total: 900}, Pass), 5*time.Second, time.Minute)
	}
	if h.Held != 5*time.Second {
		t.Errorf("held %s of silence", h.Held)
	}
	// A thing of which one hears once in two minutes is as good as another, when
	// one does.
	again := h.Next(counted(125, 0, Counts{Total: 901}, Pass), 5*time.Second, time.Minute)
	if again.Held != 120*time.Second {
		t.Errorf("held %s, want 2m0s", again.Held)
	}
	// What was quiet until it was unknown, or until a restart, held nothing.
	for name, h := range map[string]Hold{
		"unknown": h.Next(counted(125, 0, Counts{Total: 900}, Unknown), 5*time.Second, time.Minute), "frozen": h.Freeze(),
	} {
		if h = h.Next(counted(130, 0, Counts{Total: 1000}, Pass), 5*time.Second, time.Minute); h.Held != 5*time.Second {
			t.Errorf("%s: held %s", name, h.Held)
		}
	}
	// Of two things that are compared, both must be heard of.
	versus := func(sec, total, old float64) Reading {
		r := counted(sec, 0, Counts{Total: total, OldTotal: old}, Pass)
		r.Tally.Claim.Versus = true
		return r
	}
	h = held(5*time.Second, time.Minute, versus(0, 0, 0), versus(5, 1e4, 1e4), versus(10, 2e4, 1e4), versus(15, 3e4, 1e4))
	if h.Passes != 3 || h.Held != 0 {
		t.Errorf("%+v while nothing comes of the old", h)
	}
	if h = h.Next(versus(20, 3e4, 1.1e4), 5*time.Second, time.Minute); h.Held != 15*time.Second {
		t.Errorf("%+v when something comes of the old", h)
	}
}

func TestAFailedSoakIsNotTriedAgainUntilItPasses(t *testing.T) {
	h := held(5*time.Second, time.Minute, counted(0, 0, Counts{}, Pass), counted(5, 0, Counts{Bad: 300, Total: 1000}, Pass))
	if h = h.Next(counted(10, 0, Counts{Bad: 300, Total: 1100}, Pass), 5*time.Second, time.Minute); h.Passes != 0 || h.Soak.Counts.Bad != 300 {
		t.Errorf("a hundred clean requests after 300 bad ones: %+v of %+v", h, h.Soak)
	}
}

func TestASoakSurvivesARestartOfSegue(t *testing.T) {
	h := held(5*time.Second, time.Minute, counted(0, 0, Counts{}, Pass), counted(5, 0, Counts{Total: 1000}, Pass))
	raw, err := json.Marshal(h.Freeze())
	if err != nil {
		t.Fatal(err)
	}
	var back Hold
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	again := func(sec, total float64) Reading {
		r := counted(sec, 0, Counts{Total: total}, Pass)
		r.Tally.Begun = noon.Add(time.Hour)
		return r
	}
	for _, r := range []Reading{again(3600, 0), again(3605, 10)} {
		back = back.Next(r, 5*time.Second, time.Minute)
	}
	if back.Soak.Counts.Total != 1010 || back.Passes != 3 || back.Held != 5*time.Second {
		t.Errorf("%+v of %+v", back, back.Soak)
	}
	restarted := again(3610, 5)
	restarted.Tally.Begun, restarted.Tally.Restarts = noon.Add(2*time.Hour), 1
	if back = back.Next(restarted, 5*time.Second, time.Minute); back.Soak.Counts.Total != 5 || back.Held != 0 {
		t.Errorf("after a restart of the watched thing too: %+v of %+v", back, back.Soak)
	}
}

// However readings cut, leave out, repeat or shuffle what was counted, the
// evidence in the end is what was counted between the first and the last.
func TestTheFinalStatisticDoesNotDependOnBatching(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n Counts
		all := []Reading{counted(0, 0, n, Pass)}
		for i := range rapid.IntRange(1, 40).Draw(t, "n") {
			total := float64(rapid.IntRange(0, 200).Draw(t, "total"))
			n = n.Plus(Counts{Bad: float64(rapid.IntRange(0, int(total)).Draw(t, "bad")), Total: total})
			all = append(all, counted(float64(5*(i+1)), 0, n, Pass))
		}
		whole := held(5*time.Second, time.Minute, all...)
		var some Hold
		for i, r := range all {
			if i == 0 || i == len(all)-1 || rapid.Bool().Draw(t, "read") {
				some = some.Next(r, 5*time.Second, time.Minute)
			}
			if rapid.Bool().Draw(t, "again") && i > 0 { // twice, or an old one
				old := all[rapid.IntRange(0, i).Draw(t, "which")]
				before := *some.Soak
				again, _ := some.Soak.Next(*old.Tally, old.At)
				if old.Tally.Counts.Total <= before.Last.Counts.Total && !reflect.DeepEqual(again.Counts, before.Counts) {
					t.Fatalf("a reading that is not new made %+v of %+v", again.Counts, before.Counts)
				}
			}
		}
		if !reflect.DeepEqual(whole.Soak.Counts, some.Soak.Counts) {
			t.Fatalf("%+v in one way and %+v in another", whole.Soak.Counts, some.Soak.Counts)
		}
	})
}

// Whatever is read, a clock that passes stands on evidence that its claim
// demands, of what was counted since it began and since the last restart.
func TestAGateNeverPassesWithoutTheEvidenceThatItsTextDemands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Hold
		var cum, since Counts
		restarts := 0
		for i := range rapid.IntRange(1, 60).Draw(t, "n") {
			if rapid.IntRange(0, 19).Draw(t, "restart") == 0 {
				restarts++
				cum, since = Counts{}, Counts{}
			}
			total := float64(rapid.IntRange(0, 100).Draw(t, "total"))
			more := Counts{Bad: min(total, float64(rapid.IntRange(0, 3).Draw(t, "bad"))), Total: total}
			cum = cum.Plus(more)
			if i > 0 {
				since = since.Plus(more)
			} else if restarts > 0 {
				restarts = 0
			}
			recent := Verdict(rapid.IntRange(0, 2).Draw(t, "recent"))
			r := counted(float64(5*i), restarts, cum, recent)
			h = h.Next(r, 5*time.Second, time.Minute)
			if passing := !h.Last.IsZero(); passing && (recent != Pass || r.Tally.Claim.After(restarts).Verdict(since) != Pass) {
				t.Fatalf("passes with %+v, recently %s", since, recent)
			}
			if recent == Pass && r.Tally.Claim.After(restarts).Verdict(since) == Pass && h.Last.IsZero() {
				t.Fatalf("does not pass with %+v", since)
			}
		}
	})
}

// The allowance is spent once, over all restarts together.
func TestWhoRestartsAgainAndAgainHasNoMoreChancesToPassByLuck(t *testing.T) {
	var spent float64
	for i := range 100_000 {
		spent += 1 - Claim{Confidence: 0.95}.After(i).Confidence
	}
	if spent > 0.05 || spent < 0.0499 {
		t.Errorf("%g of 0.05 is spent", spent)
	}
}
