package view

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

const (
	progressEvery = 5 * time.Second
	mostPast      = 30 // events told of what was before the view
)

// plain prints a line an event, and one of progress now and then.
func plain(ctx context.Context, f *follower, out io.Writer, followed <-chan error, o Options) error {
	every := o.Every
	if every <= 0 {
		every = progressEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	p := &printer{out: out}
	for {
		select {
		case err := <-followed:
			p.news(f)
			return err
		case <-f.fresh:
			if final := p.news(f); final || p.err != nil {
				return p.err
			}
		case <-tick.C:
			if s, ok := f.scene(time.Now()); ok {
				p.progress(s)
			}
			if o.Notes != nil {
				for _, note := range o.Notes() {
					p.line(time.Now(), note)
				}
			}
			if p.err != nil {
				return p.err
			}
		}
	}
}

// A printer remembers what it has told.
type printer struct {
	out io.Writer
	seq int64
	was string // the last progress
	err error
}

func (p *printer) line(at time.Time, text string) {
	if _, err := fmt.Fprintf(p.out, "%s %s\n", at.UTC().Format(time.TimeOnly), clean(text)); err != nil {
		p.err = err
	}
}

// news tells the events that are new; it returns true when the last of them
// ended the run.
func (p *printer) news(f *follower) bool {
	f.mu.Lock()
	h := f.h
	f.mu.Unlock()
	if h == nil {
		return false
	}
	events := h.Events
	for len(events) > 0 && events[0].Seq <= p.seq {
		events = events[1:]
	}
	if n := len(events) - mostPast; n > 0 && p.seq == 0 {
		fmt.Fprintf(p.out, "… %d earlier events\n", n)
		events = events[n:]
	}
	final := false
	for _, e := range events {
		p.event(e)
		final = final || over(e.Event)
	}
	p.seq = h.Seq
	return final
}

func (p *printer) event(e runner.Entry) {
	if m, ok := moment(e); ok {
		p.line(m.At, m.Text)
	}
}

func over(ev engine.Event) bool {
	switch ev.(type) {
	case engine.Completed, engine.Aborted, engine.RolledBack:
		return true
	}
	return false
}

// progress tells how far things are, if that has changed.
func (p *printer) progress(s Scene) {
	text := Progress(s.Now)
	if text == "" || text == p.was {
		return
	}
	p.was = text
	p.line(s.Now.At, "… "+text)
}

// Progress says in a line what a run is at.
func Progress(n report.Now) string {
	var parts []string
	for _, ph := range n.Phases {
		if g := ph.Gate; g != nil {
			parts = append(parts, fmt.Sprintf("gate of phase %s: held %s of %s, %s left", ph.Name, g.Held, g.For, g.For-g.Held))
		}
		for _, st := range ph.Steps {
			if st.Going {
				parts = append(parts, fmt.Sprintf("step %s: %s for %s", st.ID, st.Words, st.Took))
			}
		}
	}
	for _, w := range n.Waits {
		switch {
		case w.Command != "":
			parts = append(parts, "waits for "+report.WaitLine(w)+": "+w.Command)
		case w.For == "check" && (w.Reading == nil || w.Reading.Verdict != evidence.Pass):
			parts = append(parts, "waits for "+report.WaitLine(w))
		}
	}
	if r := n.Rollback; r != nil && r.Result == "" {
		parts = append(parts, fmt.Sprintf("rolling back, %d of %d undone", r.Undone, r.Of))
	}
	return strings.Join(parts, "; ")
}
