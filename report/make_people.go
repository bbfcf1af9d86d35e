package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runner"
)

func (m *maker) takePeople(ev engine.Event, at time.Time) {
	switch ev := ev.(type) {
	case engine.Paused:
		m.startPause(ev.Why, ev.By, at)
	case engine.Resumed:
		m.endPause(at, ev.By)
	case engine.SignalRefused:
		m.signal(ev.Message, ev.Signal, at).Refused = ev.Reason
	case engine.SignalTaken:
		m.signal(ev.Message, ev.Signal, at)
		switch ev.Signal.Kind {
		case engine.SignalPause:
			m.startPause("asked for by "+ev.Signal.Actor, ev.Signal.Actor, at)
		case engine.SignalResume, engine.SignalRetry:
			m.endPause(at, string(ev.Signal.Kind)+" by "+ev.Signal.Actor)
		}
	}
}

func (m *maker) signal(message int64, sig engine.Signal, at time.Time) *Signal {
	m.r.Signals = append(m.r.Signals, Signal{At: at, Message: message, Signal: sig, Signed: sig.Signature != ""})
	return &m.r.Signals[len(m.r.Signals)-1]
}

func (m *maker) startPause(why, by string, at time.Time) {
	m.endPause(at, "")
	m.pause = &Pause{At: at, Why: why, By: by}
	m.r.Pauses = append(m.r.Pauses, m.pause)
}

func (m *maker) endPause(at time.Time, by string) {
	if m.pause != nil {
		m.pause.Until, m.pause.Took, m.pause.Ended = at, between(m.pause.At, at), by
		m.pause = nil
	}
}

// finish adds up what only the end knows.
func (m *maker) finish(seen []Seen) {
	r := m.r
	until := r.Ended
	if until.IsZero() {
		until = r.Last
	}
	r.Took = between(r.Started, until)
	for _, s := range seen {
		m.check(s.Check).count(s.Reading)
	}
	slices.SortFunc(r.Checks, func(a, b *Check) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range r.Phases {
		for _, a := range p.Attempts {
			end := a.Ended
			if end.IsZero() {
				end = until
			}
			p.Took += between(a.Started, end)
		}
	}
	for _, s := range r.Steps {
		for _, a := range s.Attempts {
			s.Took += a.Took
		}
		s.Outcome = s.outcome()
	}
	m.left()
	r.Why = ending(m.h, r)
}

// left lists what stays behind, in the order of the runbook.
func (m *maker) left() {
	for _, s := range m.r.Steps {
		if l, ok := m.kept[s.ID]; ok {
			m.r.Left = append(m.r.Left, l)
		}
	}
	if n := len(m.r.Rollbacks); n > 0 && m.h.State.Status != engine.AbortedStatus {
		last := m.r.Rollbacks[n-1]
		for _, what := range last.Left {
			if !strings.Contains(what, ": kept ") && !m.goneOnSince(last) {
				m.r.Left = append(m.r.Left, Left{At: last.Ended, What: what})
			}
		}
	}
}

// goneOnSince reports whether a new attempt began after the rollback.
func (m *maker) goneOnSince(r *Rollback) bool {
	for _, p := range m.r.Phases {
		for _, a := range p.Attempts {
			if a.Started.After(r.Ended) {
				return true
			}
		}
	}
	return false
}

// ending says why the run is over, or why it rests.
func ending(h *runner.History, r *Report) string {
	s := h.State
	var last *Rollback
	if n := len(r.Rollbacks); n > 0 {
		last = r.Rollbacks[n-1]
	}
	switch s.Status {
	case engine.CompletedStatus:
		return "all phases are done"
	case engine.AbortedStatus:
		if ab, ok := h.Events[len(h.Events)-1].Event.(engine.Aborted); ok {
			return fmt.Sprintf("aborted by %s; nothing was undone", ab.By)
		}
		return "aborted; nothing was undone"
	case engine.RolledBackStatus:
		if last == nil {
			return "rolled back"
		}
		return fmt.Sprintf("rolled back to the start (%s), because of %s", last.Result, last.Why)
	case engine.RollingBack:
		return last.Why
	}
	if s.Pause != nil {
		return s.Pause.Why
	}
	return ""
}
