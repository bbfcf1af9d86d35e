package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

const requireEvery = time.Second

// require looks at what must hold before the phase may start.
func (s *State) require(rb *runbook.Runbook, p runbook.Phase, ph *Phase, d *Decision, now time.Time) {
	readings := map[string]evidence.Reading{}
	var given []Given
	people, failing := false, ""
	late := time.Time{}
	for _, r := range p.Require {
		if r.Attest != "" {
			if g, ok := s.attested(r); ok {
				given = append(given, g)
				continue
			}
			people = true
			d.wait(Wait{For: "attestation", What: r.Attest, Who: r.Role, Command: attestCommand(r)})
			continue
		}
		d.watch(r.Check, requireEvery)
		c := s.Checks[r.Check]
		if c != nil && c.Reading.Verdict == evidence.Pass && s.fresh(c, ph.Since, now) {
			readings[r.Check] = c.Reading
			continue
		}
		failing = r.Check
		if t := ph.Asked.Add(r.Within); late.IsZero() || t.Before(late) {
			late = t
		}
		d.wait(waitCheck(r.Check, c, ph.Since, fmt.Sprintf("must pass before phase %s", p.Name)))
	}
	if p.Approve != nil {
		got, missing := s.approved(p.Approve, p.Name)
		given = append(given, got...)
		if missing != "" {
			people = true
			d.wait(Wait{For: "approval", What: "phase " + p.Name, Who: missing, Command: approveCommand(p.Name, p.Approve)})
		}
	}
	switch {
	case failing == "" && !people:
		d.say(PhaseReady{Phase: p.Name, Readings: readings, Given: given})
	case failing != "" && !people:
		d.wakeAt(late)
		if !now.Before(late) {
			d.say(Paused{Why: fmt.Sprintf("phase %s may not start: %s", p.Name, describe(failing, s.Checks[failing])), By: "phase:" + p.Name, Next: "segue retry"})
		}
	}
}

// fresh reports whether a check's reading was taken since a time and is not
// stale by now.
func (s *State) fresh(c *Check, since, now time.Time) bool {
	return !c.Reading.At.Before(since) && now.Sub(c.Reading.At) <= 10*requireEvery
}

func (s *State) attested(r runbook.Requirement) (Given, bool) {
	for _, g := range s.Given {
		if g.Kind == SignalAttest && g.Of == r.Attest && (r.Role == "" || g.Role == r.Role) {
			return g, true
		}
	}
	return Given{}, false
}

// approved returns the approvals there are, and what is missing, "" if nothing.
func (s *State) approved(a *runbook.Approval, of string) (got []Given, missing string) {
	var people, need []string
	for _, g := range s.Given {
		if g.Kind == SignalApprove && g.Of == of {
			got = append(got, g)
			if !slices.Contains(people, g.Actor) {
				people = append(people, g.Actor)
			}
		}
	}
	for _, role := range a.Roles {
		if !slices.ContainsFunc(got, func(g Given) bool { return g.Role == role }) {
			need = append(need, role)
		}
	}
	if n := a.Count - len(people); n > len(need) {
		need = append(need, others(n-len(need), len(got) > 0 || len(need) > 0))
	}
	return got, strings.Join(need, ", ")
}

// others are people whose role does not matter, beside those that there are.
func others(n int, more bool) string {
	word := "any"
	if more {
		word = "another"
	}
	if n == 1 {
		return word + " person"
	}
	return fmt.Sprintf("%s %d people", word, n)
}

// verifying looks at a verification. It returns true once it has passed.
func (s *State) verifying(of string, v *runbook.Verify, d *Decision, now time.Time) (passed, failed bool) {
	since, begun := s.verify[of]
	if !begun || since.IsZero() {
		d.say(VerifyStarted{Of: of})
		return false, false
	}
	readings, all := s.look(v.Checks, v.Every, since, d, "verifies "+of)
	until := since.Add(v.Within)
	d.wakeAt(until)
	switch {
	case all:
		d.say(VerifyPassed{Of: of, Readings: readings})
		return true, false
	case !now.Before(until):
		d.say(VerifyFailed{Of: of, Readings: readings})
		return false, true
	}
	return false, false
}

// look watches checks and reports whether all passed since a time.
func (s *State) look(checks []string, every time.Duration, since time.Time, d *Decision, why string) (map[string]evidence.Reading, bool) {
	readings, all := map[string]evidence.Reading{}, true
	for _, name := range checks {
		d.watch(name, every)
		c := s.Checks[name]
		if c != nil && !c.Reading.At.Before(since) {
			readings[name] = c.Reading
			if c.Reading.Verdict == evidence.Pass {
				continue
			}
		}
		all = false
		d.wait(waitCheck(name, c, since, why))
	}
	return readings, all
}

func waitCheck(name string, c *Check, since time.Time, why string) Wait {
	w := Wait{For: "check", What: name, Missing: "it has not been read yet"}
	if c != nil {
		r := c.Reading
		w.Reading = &r
		w.Missing = why
		w.Progress = r.Progress()
		if r.At.Before(since) {
			w.Missing = "a reading from after " + since.Format(time.TimeOnly)
		}
	}
	return w
}

func describe(check string, c *Check) string {
	if c == nil {
		return check + " has not been read"
	}
	text := fmt.Sprintf("%s is %s", check, c.Reading.Verdict)
	if c.Reading.Value != "" {
		text += ", saw " + c.Reading.Value
	}
	if c.Reading.Bound != "" {
		text += ", wants " + c.Reading.Bound
	}
	if c.Reading.Detail != "" {
		text += ": " + c.Reading.Detail
	}
	return text
}

func describeAll(readings map[string]evidence.Reading, checks []string) string {
	var out []string
	for _, name := range checks {
		if r, ok := readings[name]; !ok {
			out = append(out, name+" has not been read")
		} else if r.Verdict != evidence.Pass {
			out = append(out, describe(name, &Check{Reading: r}))
		}
	}
	return strings.Join(out, "; ")
}

func attestCommand(r runbook.Requirement) string {
	cmd := fmt.Sprintf("segue attest %q", r.Attest)
	if r.Role != "" {
		cmd += " --role " + r.Role
	}
	return cmd
}

func approveCommand(of string, a *runbook.Approval) string {
	cmd := "segue approve " + of
	if len(a.Roles) > 0 {
		cmd += " --role " + strings.Join(a.Roles, "|")
	}
	return cmd
}
