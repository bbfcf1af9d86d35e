package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/announce"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// updateKey begins the keys of regular updates.
const updateKey = "update/"

func (j *job) isUpdate() bool { return strings.HasPrefix(j.key, updateKey) }

// overtaken is a delivery of an update that a newer one makes needless.
func overtaken(d journal.Delivery) journal.Delivery {
	d.Next, d.Error = time.Time{}, "overtaken by a newer update; "+d.Error
	d.Error = strings.TrimSuffix(d.Error, "; ")
	return d
}

// never is when nothing is due by time.
const never = 24 * time.Hour

// update sends the regular updates that are due: of those that were missed, the
// last. It returns when it is to be asked again.
func (p *Post) update(ctx context.Context, now time.Time) time.Time {
	next := now.Add(never)
	s, rb := p.history.State, p.history.Runbook
	if rb == nil || s.Status.Final() {
		return next
	}
	for _, r := range rb.Notify {
		conn, ok := rb.Connection(r.On)
		if r.Every <= 0 || !ok {
			continue
		}
		number := int64(now.Sub(s.Started) / r.Every)
		if at := s.Started.Add(time.Duration(number+1) * r.Every); at.Before(next) {
			next = at
		}
		if number < 1 {
			continue
		}
		for _, to := range receivers(r) {
			l := letter{Notice: driver.Notice{
				Key: fmt.Sprintf("%s/%s%s/%d", p.Run, updateKey, r.Template, number), Run: p.Run, Runbook: rb.Name,
				Topic: "update", Severity: engine.P4, At: now, Title: rb.Name + ": " + string(s.Status),
			}, on: conn, to: to, template: r.Template}
			l.key = strings.TrimPrefix(l.Key, p.Run+"/") + " " + l.receiver()
			if _, sent := p.done[l.key]; !sent {
				p.send(ctx, l)
				p.done[l.key] = journal.Delivery{}
			}
		}
	}
	return next
}

// filler makes what fills a letter's template: facts as they are now, and
// figures when it is sent.
func (p *Post) filler(l letter) func(context.Context, *driver.Notice) {
	rb := p.history.Runbook
	t, ok := rb.Template(l.template)
	if !ok {
		return nil
	}
	facts := p.facts(l)
	return func(ctx context.Context, n *driver.Notice) {
		text, err := p.fill(ctx, rb, t, facts)
		if err != nil {
			n.Text = strings.TrimSpace(fmt.Sprintf("%s\n(the template %s cannot be filled: %v)", n.Text, t.Name, err))
			return
		}
		n.Title, n.Text = titled(text)
	}
}

// facts are how the run stands: behind the event that is told, or now.
func (p *Post) facts(l letter) announce.Facts {
	h, at := p.history, l.At
	s, d := h.State, engine.Decide(h.Runbook, h.State, at)
	update := strings.HasPrefix(l.key, updateKey)
	if update {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stored, err := p.Store.Readings(ctx, p.Run, "", at.Add(-report.Window(h.Runbook)))
		if err != nil {
			p.log().Warn("readings for an update cannot be read", "run", p.Run, "error", err)
		}
		s, d = report.Live(h, report.Readings(stored), at)
	}
	f := report.Facts(h.Runbook, report.Status(h, s, d, p.Holder, at))
	if !update {
		f.Event, f.Severity = strings.TrimPrefix(l.Title, l.Runbook+": "), l.Severity
	}
	return f
}

// figuresWithin is how long the checks of a template may take in all.
const figuresWithin = time.Minute

// fill fills a template, and asks the checks that it names.
func (p *Post) fill(ctx context.Context, rb *runbook.Runbook, t runbook.Template, facts announce.Facts) (string, error) {
	var read []runner.Checked
	if len(t.Checks) > 0 && p.Ask != nil {
		ctx, cancel := context.WithTimeout(ctx, figuresWithin)
		defer cancel()
		var err error
		if read, err = p.Ask(ctx, rb, t.Checks); err != nil {
			return "", err
		}
	}
	return Fill(rb, t, facts, read, time.Now())
}

// Fill fills a template with facts, with the inputs of its runbook, and with
// what checks answered.
func Fill(rb *runbook.Runbook, t runbook.Template, facts announce.Facts, read []runner.Checked, now time.Time) (string, error) {
	figures := map[string]announce.Figure{}
	for _, r := range read {
		figures[r.Check] = report.Figure(r, now)
	}
	inputs := map[string]string{}
	for _, in := range rb.Inputs {
		inputs[in.Name] = in.Text
	}
	return announce.Fill(t.Text, facts, inputs, figures)
}

// titled takes the first line of a text for its title.
func titled(text string) (title, rest string) {
	title, rest, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return oneLine(strings.TrimPrefix(title, "Subject: "), maxTitle), strings.TrimSpace(rest)
}
