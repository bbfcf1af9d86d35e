package evidence

import (
	"math/rand/v2"
	"testing"

	"github.com/segue-run/segue/internal/soak"
)

// watch feeds a detector a second of traffic at a time, until it alarms.
func watch(c Claim, d Detector, past Counts, most int, second func() Counts) (Detector, int) {
	for i := range most {
		n := second()
		d = d.Next(c, n, past, Level(FalseAlarmIn))
		past = past.Plus(n)
		if d.Raised {
			return d, i + 1
		}
	}
	return d, most
}

// traffic is a second of requests, bad with a chance.
func traffic(rnd *rand.Rand, requests int, share, old float64) Counts {
	n := Counts{Total: float64(requests)}
	for range requests {
		n.Bad += bit(rnd.Float64() < share)
	}
	if old > 0 {
		n.OldTotal = float64(requests)
		for range requests {
			n.OldBad += bit(rnd.Float64() < old)
		}
	}
	return n
}

// facts.md: five per cent errors at 100 req/s, in under 10 s, also after 14
// clean days.
func TestFourteenCleanDaysDoNotDiluteABadMinute(t *testing.T) {
	for name, c := range map[string]struct {
		claim  Claim
		old    float64
		within int // s
	}{
		"a share":      {Claim{Below: 0.01, Confidence: 0.95}, 0, 10},
		"a rare share": {rare, 0, 10},
		// Both shares have to be told from each other on fresh evidence alone.
		"a comparison": {Claim{Below: 0.005, Confidence: 0.95, Versus: true}, 0.001, 20},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(3, 4))
			seconds := 14 * 24 * 3600
			if !soak.On() {
				seconds /= 100
			}
			var d Detector
			var past Counts
			for range seconds {
				n := traffic(rnd, 100, 0, c.old)
				if d = d.Next(c.claim, n, past, Level(FalseAlarmIn)); d.Raised {
					t.Fatal("a false alarm")
				}
				past = past.Plus(n)
			}
			const trials = 100
			late, sum := 0, 0
			for range trials {
				_, s := watch(c.claim, d, past, 60, func() Counts { return traffic(rnd, 100, 0.05, c.old) })
				if sum += s; s >= c.within {
					late++
				}
			}
			if late > trials/20 {
				t.Errorf("in %d of %d cases 5 %% errors were found after %d s or more", late, trials, c.within)
			}
			t.Logf("found after %.1f s on average, %d of %d after %d s or more", float64(sum)/trials, late, trials, c.within)
		})
	}
}

// The stated rate: while the share is not above the threshold, the mean number
// of looks to an alarm is at least the level. A low level shows it in a test.
func TestAFalseAlarmComesNoMoreOftenThanStated(t *testing.T) {
	const stated = 500 // looks
	level := Level(stated * LookEvery)
	for name, c := range map[string]struct {
		claim      Claim
		share, old float64
	}{
		"just at the threshold":   {Claim{Below: 0.01}, 0.01, 0},
		"just at the margin":      {Claim{Below: 0.01, Versus: true}, 0.03, 0.02},
		"trouble of both is none": {Claim{Below: 0.01, Versus: true}, 0.21, 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(5, 6))
			looks, alarms := 0, 0
			var d Detector
			past := Counts{}
			for range 10_000 {
				n := traffic(rnd, 50, c.share, c.old)
				d = d.Next(c.claim, n, past, level)
				past = past.Plus(n)
				looks++
				if d.Raised {
					alarms++
					d = Detector{}
				}
			}
			if alarms > looks/stated {
				t.Errorf("%d alarms in %d looks, and at most one in %d is stated", alarms, looks, stated)
			}
			// The negative control: twice the share is found.
			if d, _ := watch(c.claim, Detector{}, past, 2000, func() Counts { return traffic(rnd, 50, 2*c.share, c.old) }); !d.Raised {
				t.Error("twice the share was never found")
			}
		})
	}
}

func TestAnAlarmComesDownWhenTheTroubleIsOver(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	c := Claim{Below: 0.01}
	d, _ := watch(c, Detector{}, Counts{}, 100, func() Counts { return traffic(rnd, 100, 0.5, 0) })
	if !d.Raised {
		t.Fatal("half of all failing is not found")
	}
	for range 3600 {
		d = d.Next(c, Counts{Bad: 50, Total: 100}, Counts{}, Level(FalseAlarmIn))
	}
	if d = d.Next(c, Counts{Total: 10}, Counts{}, Level(FalseAlarmIn)); !d.Raised {
		t.Error("ten good requests after an hour of trouble end the alarm")
	}
	for s := range 120 {
		if d = d.Next(c, Counts{Total: 100}, Counts{}, Level(FalseAlarmIn)); !d.Raised {
			t.Logf("it came down after %d s", s+1)
			return
		}
	}
	t.Error("two clean minutes do not end the alarm")
}

func TestNoTrafficTellsADetectorNothing(t *testing.T) {
	c := Claim{Below: 0.01}
	d := Detector{}.Next(c, Counts{Bad: 3, Total: 100}, Counts{}, Level(FalseAlarmIn))
	for name, n := range map[string]Counts{"nothing": {}, "no count": {Bad: 5, Total: 1}} {
		if got := d.Next(c, n, Counts{}, Level(FalseAlarmIn)); got.Runs[0] != d.Runs[0] {
			t.Errorf("%s moved it from %v to %v", name, d.Runs, got.Runs)
		}
	}
}
