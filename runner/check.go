package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// A Checked is a reading with its check's name.
type Checked struct {
	Check string `json:"check"`
	evidence.Reading
}

// Check reads the named checks of a runbook, all at the same time; no name means
// all of them. One that does not know yet is asked again for a few seconds:
// many compare a look with the one before. The readings come in the order asked
// for.
func (r *Runner) Check(ctx context.Context, rb *runbook.Runbook, names []string) ([]Checked, error) {
	if len(names) == 0 {
		for _, c := range rb.Checks {
			names = append(names, c.Name)
		}
	}
	w := newWorld(r, rb)
	defer w.close()
	l := &loop{r: r, rb: rb, world: w}
	answers, longest := make([]chan evidence.Reading, len(names)), checkWithin
	for i, name := range names {
		def, ok := rb.Check(name)
		if !ok {
			return nil, fmt.Errorf("the runbook has no check %q", name)
		}
		answers[i] = make(chan evidence.Reading, 1)
		within := max(checkWithin, ownTime(def))
		longest = max(longest, within+ownGrace(def))
		w.reads.Go(func() { answers[i] <- l.known(ctx, name, def.Kind.Health, within) })
	}
	out := make([]Checked, len(names))
	waiting, cancel := context.WithTimeout(ctx, longest+askAgainFor+time.Second)
	defer cancel()
	for i, name := range names {
		out[i].Check = name
		select {
		case out[i].Reading = <-answers[i]:
		case <-waiting.Done():
			out[i].Reading = evidence.Unsure(fmt.Sprintf("no answer within %s", longest))
			if ctx.Err() != nil {
				out[i].Reading = evidence.Unsure("interrupted before there was an answer")
			}
		}
		if out[i].At.IsZero() {
			out[i].At = time.Now()
		}
	}
	return out, nil
}

const (
	askAgainFor   = 4 * time.Second
	askAgainEvery = 500 * time.Millisecond
)

// known reads a check until it knows, or does not for too long.
func (l *loop) known(ctx context.Context, name string, health bool, within time.Duration) evidence.Reading {
	for began := time.Now(); ; {
		answer := make(chan evidence.Reading, 1)
		l.read(ctx, name, health, within, answer)
		r := <-answer
		if r.Verdict != evidence.Unknown || time.Since(began) >= askAgainFor || !pause(ctx, askAgainEvery) {
			return r
		}
	}
}

// checkWithin is how long one check may take when it is asked once, and says
// nothing else.
const checkWithin = 10 * time.Second

// With opens the connections of a runbook that are of use, and closes them when
// do has returned.
func (r *Runner) With(ctx context.Context, rb *runbook.Runbook, use func(runbook.Conn) bool, do func([]driver.Conn) error) error {
	w := newWorld(r, rb)
	defer w.close()
	var conns []driver.Conn
	for _, c := range rb.Connections {
		if !use(c) {
			continue
		}
		conn, err := w.conn(ctx, c.Name)
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	return do(conns)
}
