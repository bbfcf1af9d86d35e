package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type hitRatioParams struct {
	Above      runbook.Percent `param:"above,required" doc:"The share of lookups that found their key must be above this."`
	Over       time.Duration   `param:"over" doc:"Only lookups within this time count." default:"1m"`
	Look       time.Duration   `param:"look" doc:"How long one answer may wait for lookups, when too few were counted yet." default:"2s"`
	MinSamples int             `param:"min-samples" doc:"How many lookups it takes to tell." default:"100"`
}

// Validate implements what types cannot say.
func (p hitRatioParams) Validate() error {
	for _, f := range []struct {
		field string
		wrong bool
		right string
	}{
		{"above", !(p.Above >= 0 && p.Above < 100), "write at least 0% and less than 100%, such as 90%"},
		{"over", p.Over < 0, "write 1m"},
		{"look", p.Look < 0, "write 2s"},
		{"min-samples", p.MinSamples < 0, "write 100"},
	} {
		if f.wrong {
			return &runbook.FieldError{Field: f.field, Problem: "that cannot be judged by", Remedy: f.right}
		}
	}
	return nil
}

// hitRatio counts from its first look: what the server counted before says
// nothing of now.
type hitRatio struct {
	c *Conn
	p hitRatioParams

	mu    sync.Mutex
	looks []lookups // those that still count, the oldest first
}

// lookups is what the counters said at a time.
type lookups struct {
	at           time.Time
	run          string // of the server: another one counts from nothing
	hits, misses float64
}

func hitRatioCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "redis.hit-ratio", On: kind,
		Doc: "The share of lookups that found their key is above a bound. Unknown while too few were counted, and when the server does not answer.",
	}, func(_ context.Context, c *Conn, p hitRatioParams) (driver.Check, error) { return newHitRatio(c, p) })
}

func newHitRatio(c *Conn, p hitRatioParams) (*hitRatio, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("redis.hit-ratio: %w", err)
	}
	if p.Over == 0 {
		p.Over = time.Minute
	}
	if p.Look == 0 {
		p.Look = 2 * time.Second
	}
	if p.MinSamples == 0 {
		p.MinSamples = 100
	}
	return &hitRatio{c: c, p: p}, nil
}

// Read implements driver.Check. It waits a little for lookups while it cannot
// tell.
func (h *hitRatio) Read(ctx context.Context) evidence.Reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	until := time.Now().Add(h.p.Look)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r := h.judge(ctx)
		r.Bound, r.Source, r.Query = fmt.Sprintf("above %g %%", float64(h.p.Above)), h.c.String(), "INFO stats"
		if r.Verdict != evidence.Unknown || !time.Now().Before(until) {
			return r
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return r
		}
	}
}

func (h *hitRatio) judge(ctx context.Context) evidence.Reading {
	now, err := h.look(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	return h.weigh(now)
}

// weigh takes a look in, and tells what those say that count.
func (h *hitRatio) weigh(now lookups) evidence.Reading {
	if n := len(h.looks); n > 0 && (h.looks[n-1].run != now.run || now.hits < h.looks[n-1].hits || now.misses < h.looks[n-1].misses) {
		h.looks = nil // it was restarted, or its counters were reset
	}
	h.looks = append(h.looks, now)
	for len(h.looks) > 2 && now.at.Sub(h.looks[1].at) >= h.p.Over {
		h.looks = h.looks[1:]
	}
	first := h.looks[0]
	hits, all := now.hits-first.hits, now.hits-first.hits+now.misses-first.misses
	if all < float64(h.p.MinSamples) {
		return evidence.Unsure(fmt.Sprintf("%.0f of at least %d lookups in %s", all, h.p.MinSamples, now.at.Sub(first.at).Round(time.Millisecond)))
	}
	ratio := 100 * hits / all
	value := fmt.Sprintf("%.1f %% (%.0f of %.0f lookups)", ratio, hits, all)
	r := evidence.Passed(value, "")
	if ratio <= float64(h.p.Above) {
		r = evidence.Failed(value, "", value+" found their key")
	}
	r.Samples = int64(all)
	return r
}

func (h *hitRatio) look(ctx context.Context) (lookups, error) {
	server, err := h.c.info(ctx, "server")
	if err != nil {
		return lookups{}, err
	}
	stats, err := h.c.info(ctx, "stats")
	if err != nil {
		return lookups{}, err
	}
	l := lookups{at: time.Now(), run: server["run_id"]}
	var err1, err2 error
	l.hits, err1 = number(stats, "keyspace_hits")
	l.misses, err2 = number(stats, "keyspace_misses")
	if err := errors.Join(err1, err2); err != nil {
		return l, fmt.Errorf("%s: %w", h.c, err)
	}
	return l, nil
}
