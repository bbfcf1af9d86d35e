package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// A world is the live systems of a runbook, opened when they are first needed:
// a rollback does not wait for what it does not touch.
type world struct {
	r     *Runner
	mu    sync.Mutex
	rb    *runbook.Runbook
	conns map[string]*lazy
	check map[string]driver.Check
	reads sync.WaitGroup // readings that are under way
}

// lazy is a connection that is opened by whoever comes first.
type lazy struct {
	mu   sync.Mutex
	conn driver.Conn
}

func newWorld(r *Runner, rb *runbook.Runbook) *world {
	r.learn(rb)
	return &world{r: r, rb: rb, conns: map[string]*lazy{}, check: map[string]driver.Check{}}
}

// learn resolves all that a runbook refers to, so that each secret is known
// before the first look at the world can show it. What cannot be resolved is
// told by who needs it.
func (r *Runner) learn(rb *runbook.Runbook) {
	if r.Secrets == nil {
		return
	}
	var uses []runbook.Use
	for _, c := range rb.Connections {
		uses = append(uses, c.Use)
	}
	for _, c := range rb.Checks {
		uses = append(uses, c.Use)
	}
	for _, s := range rb.AllSteps() {
		uses = append(uses, s.Use)
	}
	for _, u := range uses {
		for _, ref := range driver.References(u.Params) {
			_, _ = r.Secrets.Resolve(ref)
		}
	}
}

// conn returns the named connection, open. An opening that fails is tried
// again by the next one who asks.
func (w *world) conn(ctx context.Context, name string) (driver.Conn, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // a kind that needs no connection gets none
	}
	w.mu.Lock()
	z := w.conns[name]
	if z == nil {
		z = &lazy{}
		w.conns[name] = z
	}
	w.mu.Unlock()

	z.mu.Lock()
	defer z.mu.Unlock()
	if z.conn != nil {
		return z.conn, nil
	}
	for _, c := range w.runbook().Connections {
		if c.Name == name {
			conn, err := w.r.Drivers.Open(ctx, c.Use, w.r.env())
			if err != nil {
				return nil, fmt.Errorf("open connection %s (%s): %w", name, c.Kind.Name, err)
			}
			z.conn = conn
			return conn, nil
		}
	}
	return nil, fmt.Errorf("the runbook has no connection %q", name)
}

func (r *Runner) env() driver.Env {
	return func(ref string) (string, error) {
		if r.Secrets == nil {
			return "", &unresolvedError{fmt.Errorf("${%s}: no environment", ref)}
		}
		v, err := r.Secrets.Resolve(ref)
		if err != nil {
			return "", &unresolvedError{err}
		}
		return v, nil
	}
}

// unresolvedError: something is missing here, at the runner. It says nothing of
// the live system.
type unresolvedError struct{ error }

func (e *unresolvedError) Unwrap() error { return e.error }

// action makes a step's action anew, as after a crash.
func (w *world) action(ctx context.Context, step runbook.Step) (driver.Action, error) {
	if _, err := w.conn(ctx, step.On()); err != nil { // as itself, not as a fault of the step
		return nil, err
	}
	a, err := w.r.Drivers.Action(ctx, w.conn, step.Use, w.r.env())
	if err != nil {
		return nil, fmt.Errorf("make %s of step %s: %w", step.Kind.Name, step.ID, err)
	}
	return a, nil
}

// checkOf returns the named check; it is made once, as it may remember what it
// saw.
func (w *world) checkOf(ctx context.Context, name string) (driver.Check, error) {
	w.mu.Lock()
	c, ok := w.check[name]
	w.mu.Unlock()
	if ok {
		return c, nil
	}
	def, ok := w.runbook().Check(name)
	if !ok {
		return nil, fmt.Errorf("the runbook has no check %q", name)
	}
	if _, err := w.conn(ctx, def.On()); err != nil {
		return nil, err
	}
	c, err := w.r.Drivers.Check(ctx, w.conn, def.Use, w.r.env())
	if err != nil {
		return nil, fmt.Errorf("make check %s: %w", name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.check[name] = c
	return c, nil
}

// forget has checks begin anew: they remember nothing of what they saw.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.check)
}

// amend takes another text of the runbook: checks are made anew.
func (w *world) amend(rb *runbook.Runbook) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rb = rb
	clear(w.check)
	w.r.learn(rb)
}

func (w *world) runbook() *runbook.Runbook {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rb
}

func (w *world) close() {
	w.settleReads()
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for name, z := range w.conns {
		if !z.mu.TryLock() {
			continue // an effect that does not end is still opening it
		}
		if z.conn != nil {
			if err := z.conn.Close(); err != nil {
				errs = append(errs, fmt.Errorf("close connection %s: %w", name, err))
			}
			z.conn = nil
		}
		z.mu.Unlock()
	}
	if err := errors.Join(errs...); err != nil {
		w.r.log().Warn("connections", "error", err)
	}
}

// settleReads gives checks that are cancelled the time to end that the runbook
// gives them: a suite of tests takes back what it sent.
func (w *world) settleReads() {
	var longest time.Duration
	for _, c := range w.rb.Checks {
		longest = max(longest, ownGrace(c))
	}
	if longest <= 0 {
		return
	}
	done := make(chan struct{})
	go func() { w.reads.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(longest + grace):
	}
}
