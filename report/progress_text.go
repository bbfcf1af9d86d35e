package report

import (
	"fmt"

	"github.com/segue-run/segue/evidence"
)

// progressFacts say how far the evidence for a claim is: what there is of it,
// how it bounds the share, and what it still takes at the present rate.
func progressFacts(p evidence.Progress, fact func(name, value string)) {
	samples := fmt.Sprintf("%.0f", p.Samples())
	switch {
	case p.Needs > p.Samples():
		samples += fmt.Sprintf(" of %.0f that it takes if the share stays as it is", p.Needs)
	case p.Needs == 0:
		samples += "; if the share stays as it is, no number of them will do"
	}
	fact("samples", samples)
	fact("surely", fmt.Sprintf("%s to %s", evidence.Percent(p.Lower), evidence.Percent(p.Upper)))
	if p.Rate > 0 {
		fact("rate", fmt.Sprintf("%.3g samples a second", p.Rate))
	}
	if p.In > 0 {
		fact("takes", Span(p.In).String()+" more at this rate")
	}
}

// progressWords is the same in a few words, "" when the evidence suffices.
func progressWords(p *evidence.Progress) string {
	switch {
	case p == nil || p.Needs > 0 && p.Needs <= p.Samples():
		return ""
	case p.Needs == 0:
		return fmt.Sprintf("%.0f samples, which will not do as they are", p.Samples())
	case p.In > 0:
		return fmt.Sprintf("%.0f of %.0f samples, %s more at this rate", p.Samples(), p.Needs, Span(p.In))
	}
	return fmt.Sprintf("%.0f of %.0f samples", p.Samples(), p.Needs)
}
