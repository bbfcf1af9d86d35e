package announce

import (
	"fmt"
	"strings"
	"time"
)

// Facts are what a template may name: {{.Status}}, {{.Phase.Name}}.
type Facts struct {
	Runbook     string // its name
	Description string
	Run         string // its ID; "" before there is a run, like Actor
	Actor       string // who started it

	Status string // Not Started, In Progress, Paused, Issue Detected, Rolling Back, Rolled Back, Aborted, Complete
	Mark   string // ⏳ 🔄 ⚠️ ✅
	Why    string // why it rests, or ended so; "" when it goes on

	Now     Moment // when this was looked at
	Started Moment
	Ended   Moment
	Took    Span // of the run, so far

	Phase  Phase // the one it is in; the last, when it is complete
	Phases int   // how many there are
	Next   Next

	Event    string // what has just happened, where that is told; "" else, like Severity
	Severity string // of it: P1 (worst) to P4

	Issues Lines // what is wrong: pauses, guards that fired, steps that failed, …
	Waits  Lines // what it waits for: people, checks, time
}

// A Phase is where the run is. Before a run it has no name and the number 0.
type Phase struct {
	Name        string
	Description string
	Number      int    // from 1
	Stage       string // pending, requiring, stepping, verifying, gating, done, undone, …
	Attempt     int    // from 1
	Took        Span   // so far
}

// Next is the phase that comes next; it has no name and the number 0 when there
// is none.
type Next struct {
	Name        string
	Description string
	Number      int
	At          Moment // when it can begin, if nothing breaks the gate before it
	In          Span
}

// Lines is a list of sentences: a line each, as text.
type Lines []string

func (l Lines) String() string { return strings.Join(l, "\n") }

const unknown = "not known"

// A Moment is a time that may not be known.
type Moment struct{ at time.Time }

// At is a moment; the zero time is one that is not known.
func At(t time.Time) Moment { return Moment{t} }

// Known reports whether it is known.
func (m Moment) Known() bool { return !m.at.IsZero() }

// Format writes it, in UTC, as the layout of Go's package time says: 15:04.
func (m Moment) Format(layout string) string {
	if !m.Known() {
		return unknown
	}
	return m.at.UTC().Format(layout)
}

func (m Moment) String() string { return m.Format("2006-01-02 15:04 UTC") }

// A Span is a length of time that may not be known.
type Span struct {
	d     time.Duration
	text  string
	known bool
}

// Took is a span of time and how people say it.
func Took(d time.Duration, text string) Span { return Span{d, text, true} }

// Known reports whether it is known.
func (s Span) Known() bool { return s.known }

// Minutes is the span in whole minutes, rounded.
func (s Span) Minutes() string {
	if !s.known {
		return unknown
	}
	return fmt.Sprint(int(s.d.Round(time.Minute).Minutes()))
}

func (s Span) String() string {
	if !s.known {
		return unknown
	}
	return s.text
}

// A Figure is a check's answer.
type Figure struct {
	Text    string // the value, or `unknown (why)`
	Verdict string // pass, fail or unknown
}
