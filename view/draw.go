package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/segue-run/segue/report"
)

// Draw lays a scene out on a screen of a size: at most height lines, each at
// most width wide.
func Draw(s Scene, width, height int, p Paint) string {
	width, height = max(width, 20), max(height, 6)
	d := drawing{s.Now, width, p, height >= tall}
	head := d.head()
	foot := []string{p.dim("q leaves this view; the run goes on")}
	if s.Now.Status.Final() {
		foot = []string{p.dim("the run is over")}
	}
	blocks := []*block{
		{title: "", lines: d.rollback(), least: 1},
		{title: "to do", lines: d.people(), least: 6},
		{title: "phases", lines: d.phases(), least: 3, focus: d.focus()},
		{title: "gate", lines: d.gate(), least: 1},
		{title: "a rollback now", lines: d.costs(), least: 1},
		{title: "checks and guards", lines: d.checks(), least: 2, more: true},
		{title: "", lines: s.Notes, least: 1},
		{title: "left behind", lines: d.left(), least: 2, more: true},
		{title: "events", lines: d.events(s.Events), least: 1, last: true},
	}
	share(blocks, height-len(head)-len(foot))
	out := head
	for _, b := range blocks {
		if b.airy {
			out = append(out, "")
		}
		out = append(out, b.shown(p)...)
	}
	for len(out) < height-len(foot) {
		out = append(out, "")
	}
	out = append(out, foot...)
	for i, line := range out {
		out[i] = strings.TrimRight(cut(line, width), " ")
	}
	return strings.Join(out, "\n")
}

type drawing struct {
	now   report.Now
	width int
	p     Paint
	all   bool // the steps of phases that are done, too
}

// tall is from how many lines on there is room for everything.
const tall = 36

// spread puts one text on the left and one on the right.
func (d drawing) spread(left, right string) string {
	gap := d.width - ansi.StringWidth(left) - ansi.StringWidth(right)
	if gap < 1 {
		return cut(left, max(d.width-ansi.StringWidth(right)-1, 0)) + " " + right
	}
	return left + strings.Repeat(" ", gap) + right
}

func (d drawing) head() []string {
	n := d.now
	right := fmt.Sprintf("%s  %s", d.p.status(n.Status, string(n.Status)), n.Elapsed)
	left := d.p.bold(clean(n.Name))
	if !n.Status.Final() {
		left += fmt.Sprintf("  phase %d of %d", n.Phase, len(n.Phases))
	}
	who := "nobody carries it out: segue run --resume"
	if n.Holder != "" {
		who, _, _ = strings.Cut(n.Holder, " (")
	}
	if n.Status.Final() {
		who = "ended " + n.Ended.UTC().Format(time.DateTime) + " UTC"
	}
	lines := []string{
		d.spread(left, right),
		d.p.dim(d.spread("run "+n.Run+" by "+clean(n.Actor), clean(who))),
	}
	if n.Why != "" {
		lines = append(lines, d.wrap(clean(n.Why), 2)...)
	}
	return lines
}

// wrap breaks text into lines, at most so many, in the status's colour.
func (d drawing) wrap(text string, most int) []string {
	lines := strings.Split(ansi.Wrap(text, d.width, ""), "\n")
	if len(lines) > most {
		rest := strings.Join(lines[most-1:], " ")
		lines = append(lines[:most-1], cut(rest, d.width))
	}
	for i, line := range lines {
		lines[i] = d.p.status(d.now.Status, line)
	}
	return lines
}

func (d drawing) rollback() []string {
	r := d.now.Rollback
	if r == nil || d.now.Status.Final() || r.Result != "" {
		return nil
	}
	return []string{fmt.Sprintf("%s %s %d of %d undone, %s", d.p.in(yellow, "↩ rolling back"),
		d.p.bar(float64(r.Undone), float64(r.Of), d.barWidth()), r.Undone, r.Of, r.Took)}
}

func (d drawing) barWidth() int { return min(max(d.width/4, 10), 40) }

// people is what a person must do.
func (d drawing) people() []string {
	var out []string
	for _, w := range d.now.Waits {
		if w.Command == "" {
			continue
		}
		out = append(out, "▶ "+clean(report.WaitLine(w)), "    "+d.p.bold(clean(w.Command)))
	}
	return out
}

func (d drawing) gate() []string {
	for _, p := range d.now.Phases {
		g := p.Gate
		if g == nil || d.now.Status.Final() {
			continue
		}
		left := (g.For - g.Held).String() + " left"
		if g.Frozen {
			left = "stands still"
		} else if g.Held >= g.For {
			left = "opens"
		}
		line := fmt.Sprintf("● %s %s held %s of %s, %s", clean(p.Name), d.p.bar(float64(g.Held), float64(g.For), d.barWidth()), g.Held, g.For, left)
		if g.Deadline > 0 {
			line += d.p.dim(fmt.Sprintf(" (deadline in %s)", max(g.Deadline-g.Spent, 0)))
		}
		return []string{line}
	}
	return nil
}

// costs are what a rollback would cost now.
func (d drawing) costs() []string {
	var out []string
	for _, line := range d.now.CostLines() {
		out = append(out, clean(line))
	}
	return out
}

func (d drawing) left() []string {
	var out []string
	for _, l := range d.now.Left {
		out = append(out, clean(l.Text()))
	}
	return out
}

func (d drawing) events(list []report.Moment) []string {
	var out []string
	for _, m := range list {
		out = append(out, d.p.dim(m.At.UTC().Format(time.TimeOnly))+" "+clean(m.Text))
	}
	return out
}
