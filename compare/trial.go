package compare

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/itchyny/gojq"

	"github.com/segue-run/segue/compare/diff"
	"github.com/segue-run/segue/driver"
)

// A trial asks both systems all requests, round by round.
type trial struct {
	legacy, fresh side
	comparer      *diff.Comparer
	requests      []request
	draws         map[string]draw
	rounds        int
	workers       int
	twice         bool
}

// run asks until all is asked or ctx is over, which is no error: the report
// says how far it came.
func (t *trial) run(ctx context.Context) (Report, error) {
	began := time.Now()
	stats := &Stats{}
	drawn, err := t.draw(ctx)
	if err == nil {
		t.ask(ctx, stats, drawn)
	}
	t.legacy.client.CloseIdleConnections()
	t.fresh.client.CloseIdleConnections()
	r := stats.Report()
	r.Legacy, r.New, r.Wanted = t.legacy.base, t.fresh.base, int64(t.rounds*len(t.requests))
	r.Began, r.Ended = began, time.Now()
	return r, err
}

func (t *trial) ask(ctx context.Context, stats *Stats, drawn map[string][]string) {
	all := int64(t.rounds * len(t.requests))
	var next, done atomic.Int64
	var workers sync.WaitGroup
	for range t.workers {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= all {
					return
				}
				r := t.requests[int(i)%len(t.requests)]
				now := r.filled(drawn, int(i)/len(t.requests))
				if err := stats.Settle(t.comparer, func() (Pair, error) { return t.pair(ctx, r, now) }); err != nil {
					return
				}
				driver.Tell(ctx, driver.Progress{Done: float64(done.Add(1)), Of: float64(all), What: "pairs"})
			}
		})
	}
	workers.Wait()
}

// pair asks legacy, the new system, and legacy again: what changes meanwhile
// then shows as noise.
func (t *trial) pair(ctx context.Context, r, now request) (p Pair, err error) {
	p.Endpoint, p.Request = r.endpoint(), now.endpoint()
	if p.Legacy, p.LegacyTook, err = t.legacy.ask(ctx, now.method, now.legacy); err != nil {
		return p, err
	}
	if p.New, p.NewTook, err = t.fresh.ask(ctx, now.method, now.fresh); err != nil {
		return p, err
	}
	if t.twice && r.safe() {
		again, _, err := t.legacy.ask(ctx, now.method, now.legacy)
		if err != nil {
			return p, err
		}
		p.Again = &again
	}
	return p, nil
}

// A draw is where the values of a blank come from.
type draw struct {
	path    string
	program *gojq.Code
}

// mostDrawn bounds the values of a blank.
const mostDrawn = 100_000

// draw asks legacy for what is filled in.
func (t *trial) draw(ctx context.Context) (map[string][]string, error) {
	drawn := map[string][]string{}
	for name, d := range t.draws {
		a, _, err := t.legacy.ask(ctx, "GET", d.path)
		switch {
		case err != nil:
			return nil, err
		case a.Failed != "":
			return nil, fmt.Errorf("legacy's %s, for {%s}: %s", d.path, name, a.Failed)
		case a.Status != 200:
			return nil, fmt.Errorf("legacy's %s, for {%s}: it answers %d", d.path, name, a.Status)
		}
		if drawn[name], err = d.values(ctx, a.Body); err != nil {
			return nil, fmt.Errorf("legacy's %s, for {%s}: %w", d.path, name, err)
		}
	}
	return drawn, nil
}

func (d draw) values(ctx context.Context, body []byte) ([]string, error) {
	v, err := diff.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	var out []string
	for results := d.program.RunWithContext(ctx, v); len(out) < mostDrawn; {
		v, more := results.Next()
		if !more {
			break
		}
		switch v := v.(type) {
		case error:
			return nil, v
		case nil, bool, []any, map[string]any:
			return nil, fmt.Errorf("%v is nothing to fill in", v)
		default:
			if text := fmt.Sprint(v); text != "" {
				out = append(out, text)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it has no value")
	}
	return out, nil
}
