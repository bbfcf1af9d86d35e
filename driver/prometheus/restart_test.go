package prometheus

import (
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

func TestARestartOfTheWatchedThingBeginsTheEvidenceAnew(t *testing.T) {
	for mode, want := range map[string]struct {
		verdict  evidence.Verdict
		samples  int64
		restarts int
	}{"anew": {evidence.Unknown, 100, 1}, "go-on": {evidence.Pass, 10_100, 0}} {
		c := newClocked()
		r := sure(t, c, 1, 95)
		r.proof.goesOn = mode == "go-on"
		c.pass(0, 0, 500)
		r.Read(t.Context())
		c.pass(time.Minute, 0, 10_000)
		wants(t, r.Read(t.Context()), evidence.Pass, evidence.Pass, "")
		c.rows["bad_total"], c.rows["all_total"] = 0, 0
		c.pass(time.Minute, 0, 100)
		got := r.Read(t.Context())
		wants(t, got, want.verdict, evidence.Pass, "")
		if got.Samples != want.samples || got.Tally.Restarts != want.restarts {
			t.Errorf("%s: %d samples and %d restarts, want %+v", mode, got.Samples, got.Tally.Restarts, want)
		}
	}
}

// A plain threshold has a gate's clock too.
func TestAPlainShareBeginsAnewWhenTheWatchedThingRestarts(t *testing.T) {
	for mode, want := range map[string]struct {
		samples int64
		anew    bool
	}{"": {100, true}, "anew": {100, true}, "go-on": {10_100, false}} {
		c := newClocked()
		r := shareOf(t, c, 1, claimParams{OnRestart: mode})
		c.pass(0, 0, 500)
		r.Read(t.Context())
		c.pass(time.Minute, 0, 10_000)
		before := r.Read(t.Context())
		c.rows["bad_total"], c.rows["all_total"] = 0, 0
		c.pass(time.Minute, 0, 100)
		got := r.Read(t.Context())
		if before.Instance != "" || got.Verdict != evidence.Pass || got.Samples != want.samples || (got.Instance != "") != want.anew {
			t.Errorf("%q: %+v, want %+v", mode, got, want)
		}
		c.pass(time.Minute, 0, 100)
		if again := r.Read(t.Context()); again.Instance != got.Instance {
			t.Errorf("%q: another instance without a restart: %s and %s", mode, got.Instance, again.Instance)
		}
	}
}

// A phase that did not ask for weeks left no samples that could be had; what
// was counted before it is of another time.
func TestAfterWeeksWithoutALookTheEvidenceBeginsAnew(t *testing.T) {
	c := newClocked()
	r := sure(t, c, 1, 95)
	c.pass(0, 0, 500)
	r.Read(t.Context())
	c.pass(24*time.Hour, 0, 10_000)
	if got := r.Read(t.Context()); got.Verdict != evidence.Pass || got.Samples != 10_000 || c.back > 25*time.Hour {
		t.Errorf("after a day: %+v, looked %s back", got, c.back)
	}
	c.pass(14*24*time.Hour, 5000, 10_000)
	if got := r.Read(t.Context()); got.Verdict != evidence.Unknown || got.Samples != 0 || c.back > time.Hour {
		t.Errorf("after a fortnight: %+v, looked %s back", got, c.back)
	}
	c.pass(time.Minute, 0, 1000)
	wants(t, r.Read(t.Context()), evidence.Pass, evidence.Pass, "")
}
