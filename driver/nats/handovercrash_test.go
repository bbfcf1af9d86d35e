package nats

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/soak"
	"github.com/segue-run/segue/state"
)

// dies applies a, as a process that dies at its nth boundary: a call of Mine
// or Save. died is false if there is no such boundary. In the gap it dies with
// the relay, and nobody owns the subjects.
func (p *handing) dies(a driver.Action, e driver.Effect, n int, do func(context.Context, driver.Effect) error) (died bool, at string) {
	p.t.Helper()
	passed := 0
	boundary := func() error {
		if passed++; passed >= n {
			return driver.ErrNotMine
		}
		return nil
	}
	e.Cursor, e.Mine = p.cursor, boundary
	e.Save = func(_ context.Context, c any) error {
		if err := boundary(); err != nil {
			return err
		}
		p.cursor = compact(c)
		return nil
	}
	err := do(p.t.Context(), e)
	if passed < n {
		if err != nil {
			p.t.Fatal(err)
		}
		return false, ""
	}
	if !errors.Is(err, driver.ErrNotMine) {
		p.t.Fatalf("boundary %d: %v", n, err)
	}
	v := p.voyage()
	return true, fmt.Sprintf("boundary %d, after %q/%q/%q", n, v.Forward.At, v.After, v.Back.At)
}

// uncertain: the process died between the cut and the comparison, so that the
// relay's memory is lost.
func (v voyage) uncertain() bool { return v.Forward.At == atCutting || v.Forward.At == atAttached }

// safe asserts what holds after a death of the process. Nothing that was
// acknowledged is lost, ever. What was published with no acknowledgement may be
// lost, and what has no Nats-Msg-Id doubled, only when the relay's memory was
// lost, and then the ledger says how many may be doubled. What a relay has heard
// that died is never answered: its publisher has to publish again.
func (p *handing) safe(at string, l *load, stream string, uncertain bool) {
	p.t.Helper()
	got := l.check(p.c, stream)
	if got.LostAcked > 0 || !uncertain && got.Errors+got.Lost+got.Doubled+got.ReorderedAcked > 0 {
		p.t.Errorf("%s: in stream %s: %+v", at, stream, got)
	}
	if ledger := p.voyage().Forward.Ledger; uncertain && got.Doubled > 0 && (ledger == nil || ledger.Blind == "" || ledger.Doubtful != got.Doubled) {
		p.t.Errorf("%s: %d are doubled, and the ledger is %s", at, got.Doubled, compact(ledger))
	}
	p.t.Logf("%s: %d sent, %d lost, %d doubled, %d reordered, worst publish %s", at, got.Sent, got.Lost, got.Doubled, got.ReorderedAcked, got.Worst)
}

// Each case crashes it at one boundary under load, and a new process goes on,
// or undoes it. One in eleven is done without soak.
func TestHandoverGoesOnAfterACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it a test of patience")
	}
	b := newBench(t)
	for n := 1; ; n++ {
		if !soak.Case(n+2, 11) {
			if n > 40 {
				return
			}
			continue
		}
		p := newHanding(b.in(t, 3)).alone()
		l := newLoad(t, shared, p.vendor, 400, 100)
		l.flows(40)
		a := p.action()
		e := p.effect(a)
		died, at := p.dies(a, e, n, func(ctx context.Context, e driver.Effect) error { _, err := a.Apply(ctx, e); return err })
		if !died {
			l.stop()
			return
		}
		uncertain := p.voyage().uncertain()
		if _, err := p.action().Resume(t.Context(), p.again(e)); err != nil {
			t.Fatalf("going on after a crash at %s: %v", at, err)
		}
		l.flows(20)
		l.stop()
		p.safe(at, l, p.to, uncertain)
	}
}

func TestHandoverIsUndoneAfterACrash(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it a test of patience")
	}
	b := newBench(t)
	for n := 1; ; n++ {
		if !soak.Case(n+2, 11) {
			if n > 40 {
				return
			}
			continue
		}
		p := newHanding(b.in(t, 3)).alone()
		l := newLoad(t, shared, p.vendor, 400, 100)
		l.flows(40)
		a := p.action()
		e := p.effect(a)
		died, at := p.dies(a, e, n, func(ctx context.Context, e driver.Effect) error { _, err := a.Apply(ctx, e); return err })
		uncertain := died && p.voyage().uncertain()
		e = p.again(e)
		e.Save = func(_ context.Context, c any) error { p.cursor = compact(c); return nil }
		if err := p.action().Undo(t.Context(), e); err != nil {
			t.Fatalf("undo after a crash at %s: %v", at, err)
		}
		l.flows(20)
		l.stop()
		p.safe("undone: "+at, l, p.from, uncertain)
		now, err := p.action().Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := state.Drift(state.Face(e.Before), state.Face(now)); len(d) > 0 {
			t.Fatalf("undo after %s left %v", at, d)
		}
		if !died {
			return
		}
	}
}

// The taker could not be attached, and the giver has the subjects again: what
// was carried over meanwhile, and acknowledged, is not lost, whether the
// handover goes on or is undone.
func TestWhatWasCarriedComesBackWhenItCannotBeAttached(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it a test of patience")
	}
	b := newBench(t)
	for name, next := range map[string]func(*handing, driver.Effect) (stream string, err error){
		"goes on": func(p *handing, e driver.Effect) (string, error) {
			_, err := p.action().Resume(t.Context(), p.again(e))
			return p.to, err
		},
		"is undone": func(p *handing, e driver.Effect) (string, error) {
			return p.from, p.action().Undo(t.Context(), p.again(e))
		},
	} {
		if name == "is undone" && !soak.On() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := newHanding(b.in(t, 3)).alone()
			l := newLoad(t, shared, p.vendor, 400, 100)
			l.flows(40)
			carried := false
			p.hooks = &hooks{reached: func(subStep string) { carried = carried || subStep == "carried" }}
			a := p.action()
			e := p.effect(a)
			dying := e
			dying.Mine = func() error {
				if carried {
					return driver.ErrNotMine
				}
				return nil
			}
			if _, err := a.Apply(t.Context(), dying); !errors.Is(err, driver.ErrNotMine) {
				t.Fatal(err)
			}
			x := p.action().forward(read)
			if owner, err := x.owner(t.Context()); owner != "" || err != nil {
				t.Fatalf("owner %q, error %v", owner, err)
			}
			if err := x.own(t.Context(), p.from); err != nil {
				t.Fatal(err)
			}
			stream, err := next(p, e)
			if err != nil {
				t.Fatal(err)
			}
			l.flows(20)
			l.stop()
			if got := l.check(p.c, stream); got.LostAcked+got.Doubled > 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}
