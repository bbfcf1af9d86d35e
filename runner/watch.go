package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// watch reads a check again and again. A source that hangs gives unknown
// readings; it holds up nobody.
func (l *loop) watch(f *flight) func(context.Context) {
	name, every := f.effect.Check, f.effect.Every
	health, within := false, readWithin(every)
	if def, ok := l.rb.Check(name); ok {
		health, within = def.Kind.Health, max(within, ownTime(def))
	}
	return func(ctx context.Context) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var pending chan evidence.Reading
		for {
			if pending == nil {
				answer := make(chan evidence.Reading, 1)
				pending = answer
				l.world.reads.Go(func() { l.read(ctx, name, health, within, answer) })
			}
			rd := evidence.Unsure(fmt.Sprintf("no answer within %s", within))
			timeout := time.NewTimer(within + promptly)
			select {
			case <-ctx.Done():
				timeout.Stop()
				return
			case rd = <-pending:
				pending = nil
			case <-timeout.C: // the read goes on; it is asked for again next time
			}
			timeout.Stop()
			if rd.At.IsZero() {
				rd.At = time.Now()
			}
			l.tell(news{from: f, check: name, reading: rd})
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// promptly is what a check has to say, when its time is over, whom it asked and
// what: that is better than what is known here.
const promptly = 200 * time.Millisecond

// readWithin is how long one reading may take when its check says nothing else.
func readWithin(every time.Duration) time.Duration {
	return min(max(every, 2*time.Second), 10*time.Second)
}

// ownTime is the time that the runbook gives a check for one answer, or that it
// takes: a suite of tests takes longer than a look at a number.
func ownTime(def runbook.NamedCheck) time.Duration {
	own := def.Params.Duration("timeout", 0)
	if def.Kind.Takes != nil {
		own = max(own, def.Kind.Takes(def.Params))
	}
	return own
}

// ownGrace is the time that the runbook gives a check to end when it is asked to.
func ownGrace(def runbook.NamedCheck) time.Duration { return def.Params.Duration("grace", 0) }

func (l *loop) read(ctx context.Context, name string, health bool, within time.Duration, out chan<- evidence.Reading) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	rd := l.asked(ctx, name, health)
	if l.r.Secrets != nil {
		rd.Value, rd.Detail = l.r.Secrets.Redact(rd.Value), l.r.Secrets.Redact(rd.Detail)
		if rd.Raw = l.r.Secrets.RedactBytes(rd.Raw); !json.Valid(rd.Raw) {
			rd.Raw = nil // a secret stood where a number was
		}
	}
	rd.Value, rd.Detail = short(rd.Value), short(rd.Detail)
	// A clock that goes ahead must not make later readings look old.
	if rd.At.After(time.Now()) {
		rd.At = time.Time{}
	}
	out <- rd
}

// asked puts a check's question. One that panics has answered nothing.
func (l *loop) asked(ctx context.Context, name string, health bool) (rd evidence.Reading) {
	defer func() {
		if p := recover(); p != nil {
			rd = evidence.Unsure(l.r.panicked("check "+name, p).Error())
		}
	}()
	c, err := l.world.checkOf(ctx, name)
	if err == nil {
		return c.Read(ctx)
	}
	rd = evidence.Unsure(l.r.errorText(err))
	var here *unresolvedError
	if health && !errors.As(err, &here) {
		rd.Verdict = evidence.Fail // a subject that cannot be reached is not healthy
	}
	return rd
}
