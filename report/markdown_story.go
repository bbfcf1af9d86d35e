package report

import (
	"fmt"
	"strings"

	"github.com/segue-run/segue/evidence"
)

func (p *page) gates(r *Report) {
	if len(r.Gates) == 0 {
		return
	}
	p.section("Gates")
	for _, g := range r.Gates {
		p.say("### Gate of phase %s%s: %s\n", g.Phase, nth(g.Attempt), g.Result)
		ended := "still waited at"
		if !g.Ended.IsZero() {
			ended = "ended " + stamp(g.Ended)
		}
		text := fmt.Sprintf("Opened %s, %s. Its checks had to hold for %s without a break, read every %s", stamp(g.Opened), ended, g.For, g.Every)
		if g.Deadline > 0 {
			text += fmt.Sprintf("; %s of its deadline of %s was spent", g.Spent, g.Deadline)
		}
		if g.Resets > 0 {
			text += fmt.Sprintf("; a clock began anew %d times", g.Resets)
		}
		p.say("%s.\n", text)
		t := table{{"check", "held", "of", "passes", "last read", "verdict", "value", "bound", "samples", "detail"}}
		for _, c := range g.Clocks {
			row := readingRow(c.Check, c.Reading)
			t.row(c.Check, c.Held.String(), g.For.String(), fmt.Sprint(c.Passes), row[1], row[2], row[3], row[4], row[5], row[7])
		}
		p.table(t)
		p.say("")
	}
}

func (p *page) rollbacks(r *Report) {
	if len(r.Rollbacks) == 0 {
		return
	}
	p.section("Rollbacks")
	for _, rb := range r.Rollbacks {
		to := "the start of phase " + rb.Phase
		if rb.Start {
			to = "the start"
		}
		p.say("### To %s: %s\n", to, rb.Result)
		p.say("- began %s, by %s, target %s", stamp(rb.At), strings.Replace(rb.By, ":", " ", 1), rb.Target)
		p.say("- because: %s", escape(rb.Why))
		if !rb.Actuated.IsZero() {
			p.say("- actuation %s (to the end of the last undo), verification %s", rb.Actuation, rb.Verification)
		}
		if len(rb.First) > 0 {
			p.say("- first: %s", strings.Join(rb.First, ", "))
		}
		if rb.Floor != "" {
			p.say("- not below the point of no return %s", rb.Floor)
		}
		for _, why := range rb.Because {
			p.say("- %s", escape(why))
		}
		for _, left := range rb.Left {
			p.say("- left: %s", escape(left))
		}
		p.say("")
		t := table{{"step", "began", "took", "tries", "outcome", "other eyes", "remarks"}}
		for _, u := range rb.Undos {
			t.row(u.Step, stamp(u.Started), u.Took.String(), fmt.Sprint(u.Tries), u.Outcome, u.eyes(), u.remarks())
		}
		p.table(t)
		p.evidence("It was verified by", rb.Readings)
		p.say("")
	}
}

func (u *Undo) eyes() string {
	switch {
	case u.Sight != "":
		return "no: " + u.Sight
	case u.OtherEyes:
		return "saw it " + stamp(u.Witnessed)
	case !u.Witnessed.IsZero():
		return "it has none; looked again " + stamp(u.Witnessed)
	}
	return ""
}

func (u *Undo) remarks() string {
	var out []string
	if u.Error != "" {
		out = append(out, u.Error)
	}
	if len(u.Drift) > 0 {
		out = append(out, "found otherwise than it was left: "+Changes(u.Drift))
	}
	if len(u.Differ) > 0 {
		out = append(out, "not as before: "+Changes(u.Differ))
	}
	if u.Kept != nil {
		out = append(out, fmt.Sprintf("kept %s: %s", u.Kept.What, u.Kept.Cost))
	}
	return strings.Join(out, "; ")
}

func (p *page) people(r *Report) {
	if len(r.Signals) > 0 {
		p.section("What people said")
		t := table{{"when", "who", "role", "what", "signed", "answer", "note"}}
		for _, s := range r.Signals {
			answer := "taken"
			if s.Refused != "" {
				answer = "refused: " + s.Refused
			}
			signed := "no"
			if s.Signed {
				signed = "key " + s.Signal.Key
			}
			t.row(stamp(s.At), s.Signal.Actor, s.Signal.Role, strings.TrimSpace(string(s.Signal.Kind)+" "+s.Signal.Of), signed, answer, s.Signal.Note)
		}
		p.table(t)
	}
	if len(r.Pauses) > 0 {
		p.section("Pauses")
		t := table{{"from", "until", "took", "why", "by", "ended by"}}
		for _, x := range r.Pauses {
			t.row(stamp(x.At), stamp(x.Until), x.Took.String(), x.Why, x.By, x.Ended)
		}
		p.table(t)
	}
}

func (p *page) trouble(r *Report) {
	if len(r.Guards) > 0 {
		p.section("Guards that fired")
		t := table{{"when", "guard", "did", "after", "quiet again", "value", "bound", "detail"}}
		for _, g := range r.Guards {
			how := "failing for "
			if g.Unknown {
				how = "unknown for "
			}
			t.row(stamp(g.At), g.Guard, strings.TrimSpace(g.Do+" "+g.To), how+g.For.String(), stamp(g.Quiet), g.Reading.Value, g.Reading.Bound, g.Reading.Detail)
		}
		p.table(t)
	}
	if len(r.Drift) > 0 {
		p.section("Drift")
		t := table{{"when", "step", "resource", "field", "left as", "found as"}}
		for _, d := range r.Drift {
			for _, c := range d.Changes {
				t.row(stamp(d.At), d.Step, c.Resource, c.Field, value(c.From), value(c.To))
			}
		}
		p.table(t)
	}
	p.section("Who carried it out")
	t := table{{"epoch", "from", "to", "events", "process", "for", "found cut off"}}
	for _, x := range r.Processes {
		t.row(fmt.Sprint(x.Epoch), stamp(x.At), stamp(x.Until), fmt.Sprint(x.Events), x.Holder, x.Actor, strings.Join(x.CutOff, ", "))
	}
	p.table(t)
}

func (p *page) checks(r *Report) {
	if len(r.Checks) == 0 {
		return
	}
	p.section("Checks")
	p.say("Readings that were stored; what justified a transition is with it above.\n")
	t := table{{"check", "kind", "pass", "fail", "unknown", "turns", "last read", "verdict", "value", "bound", "detail"}}
	for _, c := range r.Checks {
		if c.Last.At.IsZero() {
			c.Last = evidence.Reading{}
		}
		t.row(c.Name, c.Kind, fmt.Sprint(c.Pass), fmt.Sprint(c.Fail), fmt.Sprint(c.Unknown), fmt.Sprint(c.Turns),
			stamp(c.Last.At), c.Last.Verdict.String(), c.Last.Value, c.Last.Bound, c.Last.Detail)
	}
	p.table(t)
}

func (p *page) timeline(r *Report) {
	p.section("Timeline")
	p.say("Numbers that are missing are checkpoints.\n")
	t := table{{"event", "when", "epoch", "what"}}
	for _, m := range r.Timeline {
		t.row(fmt.Sprint(m.Seq), m.At.UTC().Format("2006-01-02 15:04:05.000"), fmt.Sprint(m.Epoch), m.Text)
	}
	p.table(t)
}

func (p *page) runbook(r *Report) {
	p.section("The runbook")
	for i, t := range r.Runbooks {
		what := "Pinned"
		if i > 0 {
			what = "Amended"
		}
		p.say("%s %s by %s from %s, sha256 %s. Its text is event %d of the journal, and `runbooks[%d].text` of this report as JSON.", what, stamp(t.At), t.By, code(t.File), code(t.Digest), t.Seq, i)
		if len(t.Settings) > 0 {
			p.say("\nInputs: %s.", code(strings.Join(t.Settings, ", ")))
		}
	}
}
