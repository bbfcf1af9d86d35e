package driver

import (
	"context"
	"fmt"
	"time"
)

// A Notice is what people are told of a run. What is secret has been taken out
// of it.
type Notice struct {
	// Key is the same whenever the same is told again: after a crash a notice
	// that may have gone out goes out once more.
	Key      string
	Run      string // its ID; "" for an announcement before there is a run
	Runbook  string
	Topic    string // run, phase, step, guard, …
	Severity string // P1 (worst) to P4
	At       time.Time
	Title    string // one line
	Text     string
	// Incident, if not "", names what is wrong, and Turn what becomes of it.
	Incident string
	Turn     Turn
	Contact  *Contact // whom an escalation tells
}

// A Turn is what becomes of an incident.
type Turn string

const (
	Opens        Turn = "opens"
	Acknowledged Turn = "acknowledged" // somebody sees to it
	Closes       Turn = "closes"
)

// A Contact is whom a notice is meant for.
type Contact struct{ Role, Name, Phone, Email, Slack string }

// A Notifier is a connection that tells people something.
type Notifier interface {
	Conn
	// Tell brings a notice to one address, in the form in which the kind's
	// Reaches takes it; "" where the connection knows by itself. thread is what
	// an earlier Tell gave back for the same run and address, "" at first: a
	// Notifier that can keeps a run's notices together by it. The error may be
	// an *Undelivered.
	Tell(ctx context.Context, n Notice, to, thread string) (newThread string, err error)
}

// A Pager is a Notifier that keeps incidents, and tells of nothing else.
type Pager interface {
	Notifier
	Incidents()
}

// Undelivered says what is known of when it helps to try again; an error that
// is none says nothing, and is tried again in a while.
type Undelivered struct {
	Err   error
	After time.Duration // not before this time is over, as the receiver says
	Never bool          // it was refused for good
}

func (e *Undelivered) Error() string {
	switch {
	case e.Never:
		return e.Err.Error() + " (refused for good)"
	case e.After > 0:
		return fmt.Sprintf("%v (it asks to wait for %s)", e.Err, e.After)
	}
	return e.Err.Error()
}

func (e *Undelivered) Unwrap() error { return e.Err }
