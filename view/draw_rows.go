package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
)

// phases are the phases, and the steps of those that are under way.
func (d drawing) phases() []string {
	rows := d.rows()
	names, states := make([]string, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		names[i], states[i] = r.name, r.state
	}
	nameW, stateW := widest(d.width*2/5, names), widest(d.width*2/5, states)
	out := make([]string, len(rows))
	for i, r := range rows {
		line := d.p.stage(r.stage, pad(r.name, nameW)) + "  " + pad(r.state, stateW)
		if r.remark != "" {
			line += "  " + d.p.dim(r.remark)
		}
		out[i] = line
	}
	return out
}

type row struct {
	stage               engine.Stage
	name, state, remark string
	going               bool
}

func (d drawing) rows() []row {
	var rows []row
	for _, p := range d.now.Phases {
		remark := ""
		if p.Took > 0 {
			remark = p.Took.String()
		}
		state := string(p.Stage)
		if p.Attempt > 1 {
			state += fmt.Sprintf(", attempt %d", p.Attempt)
		}
		if p.Stage == engine.Done && !d.now.Status.Final() {
			state += fmt.Sprintf(", %d steps", len(p.Steps))
		}
		rows = append(rows, row{p.Stage, report.Mark(p.Stage) + " " + clean(p.Name), state, remark, p.Current})
		if p.Current || d.all || d.now.Status == engine.RollingBack || d.now.Status.Final() {
			rows = append(rows, d.steps(p.Steps)...)
		}
	}
	return append(rows, d.steps(d.now.First)...)
}

func (d drawing) steps(list []report.NowStep) []row {
	var rows []row
	for _, s := range list {
		remark := clean(s.Kind)
		if s.Took > 0 {
			remark = fmt.Sprintf("%s  %s", pad(s.Took.String(), 6), remark)
		} else {
			remark = strings.Repeat(" ", 8) + remark
		}
		if s.Far != "" {
			remark = fmt.Sprintf("%s  %s", pad(s.Took.String(), 6), clean(s.Far))
		}
		if s.Error != "" {
			remark = clean(s.Error)
		}
		rows = append(rows, row{s.Stage, "  " + report.Mark(s.Stage) + " " + clean(s.Name), clean(s.Words), remark, s.Going})
	}
	return rows
}

// focus is the row that must be seen when not all can.
func (d drawing) focus() int {
	focus := 0
	for i, r := range d.rows() {
		if r.going || r.stage == engine.Failed {
			focus = i
		}
	}
	return focus
}

// checks are the watched checks and their guards, what does not pass first. When
// the run is over nobody watches any.
func (d drawing) checks() []string {
	list := slices.DeleteFunc(slices.Clone(d.now.Checks), func(c report.NowCheck) bool { return !c.Watched || d.now.Status.Final() })
	slices.SortStableFunc(list, func(a, b report.NowCheck) int { return rank(a) - rank(b) })
	names, figures, roles := make([]string, len(list)), make([]string, len(list)), make([]string, len(list))
	for i, c := range list {
		names[i], figures[i], roles[i] = clean(c.Name), clean(report.Figures(c.Reading)), d.role(c.Name)
	}
	nameW, roleW := widest(d.width/3, names), widest(d.width*2/5, roles)
	figureW := widest(max(d.width-nameW-roleW-22, 8), figures)
	out := make([]string, len(list))
	for i, c := range list {
		age := ""
		if !c.Reading.At.IsZero() {
			age = ago(c.Age)
		}
		v := c.Reading.Verdict
		out[i] = fmt.Sprintf("%s  %s  %s  %s  %s", d.p.verdict(v, pad(mark(v)+" "+v.String(), 9)),
			pad(names[i], nameW), pad(figures[i], figureW), d.p.dim(pad(age, 5)), roles[i])
	}
	return out
}

// ago is an age in whole seconds: tenths would only flicker.
func ago(age report.Span) string {
	if age < report.Span(time.Second) {
		return "now"
	}
	return report.Span(time.Duration(age).Truncate(time.Second)).String()
}

func mark(v evidence.Verdict) string {
	switch v {
	case evidence.Pass:
		return "✓"
	case evidence.Fail:
		return "✗"
	}
	return "?"
}

func rank(c report.NowCheck) int {
	switch c.Reading.Verdict {
	case evidence.Fail:
		return 0
	case evidence.Unknown:
		return 1
	}
	return 2
}

// role is what the run watches a check for.
func (d drawing) role(check string) string {
	var parts []string
	for _, p := range d.now.Phases {
		if p.Gate == nil {
			continue
		}
		for _, c := range p.Gate.Clocks {
			if c.Check == check {
				parts = append(parts, fmt.Sprintf("gate %s/%s", c.Held, c.Needs))
				if c.Lacks != "" {
					parts = append(parts, clean(c.Lacks))
				}
			}
		}
	}
	for _, g := range d.now.Guards {
		if g.Check != check {
			continue
		}
		text := "guard: " + g.Do
		if words := g.Words(); words != "quiet" && words != "not read yet" {
			text += ", " + words
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
