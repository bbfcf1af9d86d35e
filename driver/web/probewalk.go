package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// walk is one request on its way. It remembers what was seen of it.
type walk struct {
	a     *probe
	id    string
	after map[string]uint64 // each stream's last sequence before anything was sent
	trace *trace
	grown float64 // the number before anything was sent

	seen state.Fields
	said []string // the same for people, in order
}

// saw notes a stage that the request has passed.
func (w *walk) saw(name string, value any, format string, args ...any) {
	w.seen[name] = field(value)
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// begin looks how things are before anything is sent: what shows nothing of
// the request now can show it later.
func (w *walk) begin(ctx context.Context) error {
	p := w.a.p
	if p.DB.Given() {
		there, _, err := w.a.there(ctx, w.id)
		if err != nil {
			return err
		}
		if there {
			return fmt.Errorf("%s holds already, so that it would show nothing", p.Expect)
		}
	}
	if p.Metrics.Given() {
		if err := await(ctx, func() (bool, error) {
			var err error
			w.grown, err = w.a.number(ctx)
			return err == nil, err
		}); err != nil {
			return err
		}
	}
	// The streams come last: what others store from here on is looked at too.
	if p.Bus.Given() {
		bus, err := p.Bus.Open(ctx)
		if err != nil {
			return err
		}
		streams, err := bus.Streams(ctx)
		if err != nil {
			return err
		}
		w.after = make(map[string]uint64, len(streams))
		for _, s := range streams {
			w.after[s.Name] = s.Last
		}
		if _, there := w.after[p.Stream]; !there {
			return fmt.Errorf("connection %s: there is no stream %s to store it", p.Bus, p.Stream)
		}
		w.trace = newTrace(w.a, bus, w.id, w.after)
	}
	return nil
}

// pass sends the request and follows it to the end.
func (w *walk) pass(ctx context.Context, e driver.Effect) error {
	status, err := w.a.send(ctx, e, w.id)
	if err != nil {
		return err
	}
	w.saw("id", w.id, "answered %d", status)
	w.seen["status"] = field(status)
	p := w.a.p
	stages := []struct {
		given bool
		see   func(context.Context) error
	}{
		{p.Bus.Given(), w.stored},
		{p.Consumer != "", w.acknowledged},
		{p.DB.Given(), w.inDatabase},
		{p.Metrics.Given(), w.inMetrics},
		{p.Bus.Given(), w.nowhereElse},
	}
	for _, s := range stages {
		if !s.given {
			continue
		}
		if err := s.see(ctx); err != nil {
			return fmt.Errorf("%s, but %w", strings.Join(w.said, ", "), err)
		}
	}
	return nil
}

// stored awaits the message in its stream.
func (w *walk) stored(ctx context.Context) error {
	p := w.a.p
	var m *driver.Message
	err := w.until(ctx, func() (bool, error) {
		var err error
		m, err = w.trace.find(ctx, p.Stream, p.Subject)
		return m != nil, err
	})
	if err != nil {
		return fmt.Errorf("stream %s does not store it under %s: %w", p.Stream, p.Subject, err)
	}
	w.saw("stored", map[string]any{"stream": m.Stream, "seq": m.Seq}, "stored as message %d of stream %s", m.Seq, m.Stream)
	w.trace.found(m)
	return nil
}

func (w *walk) acknowledged(ctx context.Context) error {
	p := w.a.p
	acks, ok := w.trace.bus.(driver.Acknowledger)
	if !ok {
		return fmt.Errorf("connection %s cannot tell what consumers acknowledge", p.Bus)
	}
	var left string
	err := w.until(ctx, func() (bool, error) {
		done, now, err := acks.Acknowledged(ctx, p.Stream, p.Consumer, w.trace.stored)
		if err == nil {
			left = now
		}
		return done, err
	})
	if err != nil {
		return fmt.Errorf("consumer %s has not acknowledged it (%s): %w", p.Consumer, left, err)
	}
	w.saw("acknowledged", p.Consumer, "acknowledged by %s", p.Consumer)
	return nil
}

func (w *walk) inDatabase(ctx context.Context) error {
	p := w.a.p
	var rows []map[string]any
	err := w.until(ctx, func() (bool, error) {
		there, got, err := w.a.there(ctx, w.id)
		if err == nil {
			rows = got
		}
		return there, err
	})
	if err != nil {
		return fmt.Errorf("the database (%s) gives %d rows, which do not meet %s: %w", p.DB, len(rows), p.Expect, err)
	}
	w.saw("rows", len(rows), "in the database")
	if len(rows) > 0 {
		const most = 1 << 10
		if raw, err := json.Marshal(rows[0]); err == nil && len(raw) <= most {
			w.seen["row"] = raw
		}
	}
	return nil
}

// inMetrics waits until the number has grown. It is what counters come to: one
// that falls has begun anew, as its process has, and grows from there.
func (w *walk) inMetrics(ctx context.Context) error {
	from, now := w.grown, w.grown
	err := w.until(ctx, func() (bool, error) {
		v, err := w.a.number(ctx)
		if err != nil {
			return false, err
		}
		from, now = min(from, v), v
		return v > from, nil
	})
	switch p := w.a.p; {
	case err != nil && from < w.grown:
		return fmt.Errorf("the number fell from %g to %g and stays there (was what counts it started anew?): %s: %w", w.grown, now, p.Grows, err)
	case err != nil:
		return fmt.Errorf("the number stays at %g: %s: %w", now, p.Grows, err)
	}
	w.saw("metric", map[string]float64{"before": w.grown, "after": now}, "counted (%g → %g)", from, now)
	return nil
}

func (w *walk) nowhereElse(ctx context.Context) error {
	err := await(ctx, func() (bool, error) { // a look that fails is no look
		err := w.trace.astray(ctx)
		_, gone := errors.AsType[*astrayError](err)
		if gone {
			return false, err
		}
		return err == nil, err
	})
	return err
}

const strayEvery = time.Second

// until looks until it is there. Meanwhile it sees whether the message went
// where it must not go.
func (w *walk) until(ctx context.Context, look func() (bool, error)) error {
	next := time.Now().Add(strayEvery / 4)
	return await(ctx, func() (bool, error) {
		done, err := look()
		if done || w.trace == nil || time.Now().Before(next) {
			return done, err
		}
		next = time.Now().Add(strayEvery)
		if stray := w.trace.astray(ctx); stray != nil {
			return false, stray
		}
		return false, err
	})
}

// there asks the database whether what is expected is so.
func (a *probe) there(ctx context.Context, id string) (bool, []map[string]any, error) {
	db, err := a.p.DB.Open(ctx)
	if err != nil {
		return false, nil, err
	}
	columns, rows, err := db.Rows(ctx, a.p.Query, a.args(id))
	if err != nil {
		return false, nil, err
	}
	vars := map[string]any{"rows": rows}
	if len(rows) > 0 {
		vars["row"] = rows[0]
		if len(columns) > 0 {
			vars["value"] = rows[0][columns[0]]
		}
	}
	verdict, _ := a.expect.Eval(vars) // what cannot be told of the rows is not there yet
	return verdict == evidence.Pass, rows, nil
}

func (a *probe) args(id string) []any {
	args := slices.Clone(a.p.Args)
	for i, v := range args {
		if s, ok := v.(string); ok {
			args[i] = strings.ReplaceAll(s, placeholder, id)
		}
	}
	return args
}

// number is what the metrics say; no data is 0.
func (a *probe) number(ctx context.Context) (float64, error) {
	m, err := a.p.Metrics.Open(ctx)
	if err != nil {
		return 0, err
	}
	v, _, err := m.Number(ctx, a.p.Grows)
	return v, err
}

const (
	lookFirst = 20 * time.Millisecond // between looks; longer each time
	lookMost  = 500 * time.Millisecond
)

// await looks until look says done, or says that the request went astray, or
// ctx ends. A look that fails otherwise is none: it is looked again.
func await(ctx context.Context, look func() (done bool, err error)) error {
	var last error
	for wait := lookFirst; ; wait = min(wait*3/2, lookMost) {
		done, err := look()
		if done {
			return nil
		}
		if _, gone := errors.AsType[*astrayError](err); gone {
			return err
		}
		if err == nil || ctx.Err() == nil || last == nil { // not merely that the time was over
			last = err
		}
		if err := sleep(ctx, wait); err != nil {
			return errors.Join(err, last)
		}
	}
}
