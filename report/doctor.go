package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// Presence says whether a symptom is there.
type Presence string

const (
	Present   Presence = "present"
	Uncertain Presence = "unknown"
	Absent    Presence = "absent"
)

// Troubles are what a runbook's doctor found, from what was read of its checks.
type Troubles []Diagnosis

// A Diagnosis is how one trouble of a runbook stands.
type Diagnosis struct {
	Name    string   `json:"name"`
	Symptom string   `json:"symptom"`
	Is      Presence `json:"is"`
	// Seen is what the checks say that see the symptom.
	Seen []runner.Checked `json:"seen"`
	// Findings are the causes whose checks fail, and what is said otherwise;
	// none when the symptom is absent.
	Findings []Diagnosed `json:"findings,omitempty"`
	// Unasked are the causes whose checks did not answer.
	Unasked []Diagnosed `json:"unasked,omitempty"`
}

// A Diagnosed is a finding with its evidence.
type Diagnosed struct {
	Finding string          `json:"finding"`
	Next    string          `json:"next"`
	Check   *runner.Checked `json:"check,omitempty"` // nil: said as no cause was found
}

// Diagnose looks at troubles with what their checks answered. A symptom is
// present when a check that sees it fails, and unknown when none fails and one
// did not answer.
func Diagnose(troubles []runbook.Trouble, readings []runner.Checked) Troubles {
	answers := map[string]runner.Checked{}
	for _, r := range readings {
		answers[r.Check] = r
	}
	answer := func(check string) runner.Checked {
		if r, ok := answers[check]; ok {
			return r
		}
		return runner.Checked{Check: check, Reading: evidence.Unsure("it was not asked")}
	}
	out := Troubles{}
	for _, t := range troubles {
		d := Diagnosis{Name: t.Name, Symptom: t.Symptom, Is: Absent}
		for _, name := range t.SeenBy {
			r := answer(name)
			d.Seen = append(d.Seen, r)
			switch {
			case r.Verdict == evidence.Fail:
				d.Is = Present
			case r.Verdict != evidence.Pass && d.Is == Absent:
				d.Is = Uncertain
			}
		}
		if d.Is != Absent {
			d.causes(t, answer)
		}
		out = append(out, d)
	}
	return out
}

// causes goes through what may be behind a symptom.
func (d *Diagnosis) causes(t runbook.Trouble, answer func(string) runner.Checked) {
	for _, c := range t.Causes {
		r := answer(c.Check)
		found := Diagnosed{Finding: c.Text, Next: c.Next, Check: &r}
		switch r.Verdict {
		case evidence.Pass:
		case evidence.Fail:
			d.Findings = append(d.Findings, found)
		default:
			d.Unasked = append(d.Unasked, found)
		}
	}
	if t.Otherwise != nil && len(d.Findings) == 0 && d.Is == Present {
		d.Findings = append(d.Findings, Diagnosed{Finding: t.Otherwise.Text, Next: t.Otherwise.Next})
	}
}

// Well reports whether every symptom is absent: unknown is not well.
func (ts Troubles) Well() bool {
	return !slices.ContainsFunc(ts, func(d Diagnosis) bool { return d.Is != Absent })
}

// Count is how many troubles there are of a kind.
func (ts Troubles) Count(is Presence) int {
	n := 0
	for _, d := range ts {
		if d.Is == is {
			n++
		}
	}
	return n
}

// urgent are the troubles with those that are there first.
func (ts Troubles) urgent() Troubles {
	rank := map[Presence]int{Present: 0, Uncertain: 1, Absent: 2}
	out := slices.Clone(ts)
	slices.SortStableFunc(out, func(a, b Diagnosis) int { return cmp.Compare(rank[a.Is], rank[b.Is]) })
	return out
}

// oneLine keeps a text of several lines in its row.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
