package prometheus

import (
	"fmt"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// claimParams say how sure a claim must be.
type claimParams struct {
	Confidence   *runbook.Percent `param:"confidence" doc:"How sure it must be, as in 95%: it passes when the share is proven to be below the bound, fails when it is proven to be above, and is unknown between. Without it ratio is a plain threshold; the others take 95%. The proof holds however often it is looked at. Gates judge over their own time, guards by recent evidence."`
	FalseAlarmIn time.Duration    `param:"false-alarm-in" doc:"With a confidence: how much watching there is, at least and on average, to an alarm of a guard without a cause." default:"90d"`
	OnRestart    string           `param:"on-restart" enum:"anew|go-on" doc:"When the counters begin again, as what is watched has restarted, the evidence and a gate's clock begin anew, or go on." default:"anew"`
}

func (p claimParams) validate() error {
	switch {
	case p.Confidence != nil && (*p.Confidence < 50 || *p.Confidence >= 100):
		return &runbook.FieldError{Field: "confidence", Problem: fmt.Sprintf("nobody can be sure at %g %%", float64(*p.Confidence)), Remedy: "write at least 50% and less than 100%, such as 95%"}
	case p.FalseAlarmIn < 0:
		return &runbook.FieldError{Field: "false-alarm-in", Problem: "a time is not negative", Remedy: "write 90d"}
	case p.Confidence == nil && p.FalseAlarmIn > 0:
		return &runbook.FieldError{Field: "false-alarm-in", Problem: "without a confidence nothing is tested", Remedy: "give a confidence too, such as 95%"}
	}
	return nil
}

func (p claimParams) goesOn() bool { return p.OnRestart == "go-on" }

// always is for a check that cannot but prove: where it is not said how sure it
// must be, it takes 95 %.
func (p claimParams) always() claimParams {
	if p.Confidence == nil {
		usual := runbook.Percent(95)
		p.Confidence = &usual
	}
	return p
}

// proof gathers the evidence for a claim, look by look.
type proof struct {
	claim  evidence.Claim
	level  float64 // of an alarm
	goesOn bool    // over restarts
	maxAge time.Duration

	tally    evidence.Tally
	detector evidence.Detector
	recent   evidence.Counts // not yet told to the detector
	told     time.Time       // when it was told last
	quiet    [2]time.Time    // since when nothing has come of the new, and of the old
}

func newProof(claim evidence.Claim, p claimParams, of counterParams) *proof {
	if p.FalseAlarmIn == 0 {
		p.FalseAlarmIn = evidence.FalseAlarmIn
	}
	claim.Confidence, claim.Min = float64(*p.always().Confidence)/100, of.MinSamples
	return &proof{claim: claim, level: evidence.Level(p.FalseAlarmIn), goesOn: p.goesOn(), maxAge: of.MaxAge}
}

// add takes what came to the counts; the first time they only begin. When what
// is watched has restarted, what was known of it says nothing of what runs now.
func (p *proof) add(now time.Time, n evidence.Counts, first, restarted bool) {
	if first || p.tally.Begun.IsZero() {
		p.tally = evidence.Tally{Claim: p.claim, Begun: now, From: now}
		p.detector, p.recent = evidence.Detector{}, evidence.Counts{}
		p.quiet, p.told = [2]time.Time{now, now}, now
	}
	if restarted && !p.goesOn {
		p.tally.Restarts++
		p.tally.From, p.tally.Counts = now, evidence.Counts{}
		p.detector, p.recent = evidence.Detector{}, evidence.Counts{}
	}
	if n.Total > 0 {
		p.quiet[0] = now
	}
	if n.OldTotal > 0 {
		p.quiet[1] = now
	}
	past := p.tally.Counts.Less(p.recent)
	p.tally.Counts, p.recent = p.tally.Counts.Plus(n), p.recent.Plus(n)
	if now.Sub(p.told) >= evidence.LookEvery {
		p.detector = p.detector.Next(p.claim, p.recent, past, p.level)
		p.recent, p.told = evidence.Counts{}, now
	}
}

// reading is what the claim is worth at a time.
func (p *proof) reading(now time.Time) evidence.Reading {
	r := p.claim.After(p.tally.Restarts).Reading(p.tally.Counts)
	tally := p.tally
	tally.Recent = evidence.Pass
	if why := p.silent(now); why != "" || !p.tally.Counts.Sound() {
		if why == "" {
			why = r.Detail
		}
		tally.Recent, r.Verdict, r.Detail = evidence.Unknown, evidence.Unknown, why
	} else if p.detector.Raised {
		tally.Recent, r.Verdict = evidence.Fail, evidence.Fail
		r.Detail = "of late the share has risen above the bound"
	}
	r.Tally = &tally
	return r
}

// silent says that no traffic comes: what has vanished is not stable.
func (p *proof) silent(now time.Time) string {
	n := p.tally.Counts
	for i, of := range []struct {
		name  string
		total float64
	}{{"", n.Total}, {" of the old", n.OldTotal}} {
		if i > 0 && !p.claim.Versus {
			break
		}
		if of.total <= 0 {
			return fmt.Sprintf("no traffic%s since %s", of.name, p.tally.From.UTC().Format(time.TimeOnly))
		}
		if since := now.Sub(p.quiet[i]); since > p.maxAge {
			return fmt.Sprintf("no traffic%s for %s", of.name, since.Round(time.Second))
		}
	}
	return ""
}
