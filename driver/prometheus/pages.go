package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// pages answers PromQL where there is no Prometheus: it scrapes metrics pages
// itself, keeps what it saw of late, and asks the engine of Prometheus.
type pages struct {
	store  *pageStore
	engine *upstream.Engine
	tried  chan struct{} // closed once each page has been tried
	stop   context.CancelFunc
	done   sync.WaitGroup
	hosts  []string
}

const (
	defaultEvery = 5 * time.Second
	defaultKeep  = time.Hour
)

// newPages begins to scrape; each page has a loop of its own, so that one that
// hangs keeps none of the others.
func newPages(p connParams) (*pages, error) {
	if p.Every <= 0 {
		p.Every = defaultEvery
	}
	if p.Keep <= 0 {
		p.Keep = defaultKeep
	}
	var all []*page
	out := &pages{store: newPageStore(p.Keep), tried: make(chan struct{})}
	for _, raw := range p.Scrape {
		pg, err := newPage(raw, min(p.Timeout, max(p.Every, time.Second)))
		if err != nil {
			return nil, err
		}
		all = append(all, pg)
		out.hosts = append(out.hosts, pg.url.Host)
	}
	out.engine = upstream.NewEngine(upstream.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 50e6, Timeout: p.Timeout,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	})
	ctx, stop := context.WithCancel(context.Background())
	out.stop = stop
	var first sync.WaitGroup
	for _, pg := range all {
		first.Add(1)
		out.done.Go(func() { out.watch(ctx, pg, p.Every, first.Done) })
	}
	go func() {
		first.Wait()
		close(out.tried)
	}()
	return out, nil
}

// watch scrapes a page until ctx ends.
func (p *pages) watch(ctx context.Context, pg *page, every time.Duration, tried func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before map[string]bool
	for {
		all, err := pg.scrape(ctx)
		at := time.Now()
		for i := range all {
			all[i].labels["instance"] = pg.url.Host
		}
		up := series{labels: map[string]string{"__name__": "up", "instance": pg.url.Host}, samples: []sample{{at, 1}}}
		if err != nil {
			all, up.samples[0].value = nil, 0
		}
		before = p.store.add(append(all, up), before, at)
		if tried != nil {
			tried()
			tried = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *pages) close() {
	p.stop()
	p.done.Wait()
}

// String is the pages for people.
func (p *pages) String() string { return "metrics pages " + strings.Join(p.hosts, ", ") }

// query asks the engine, once each page has been tried.
func (p *pages) query(ctx context.Context, text string) ([]series, error) {
	select {
	case <-p.tried:
	case <-ctx.Done():
		return nil, fmt.Errorf("ask %s: %w before each was tried", p, ctx.Err())
	}
	q, err := p.engine.NewInstantQuery(ctx, p.store, nil, text, time.Now())
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", p, err)
	}
	defer q.Close()
	r := q.Exec(ctx)
	if r.Err != nil {
		return nil, fmt.Errorf("ask %s: %w", p, r.Err)
	}
	if warnings, _ := r.Warnings.AsStrings(text, 3, 0); len(warnings) > 0 {
		return nil, fmt.Errorf("ask %s: it warns: %s", p, strings.Join(warnings, "; "))
	}
	return fromEngine(r.Value)
}

// fromEngine takes the engine's answer in the form of the HTTP API's.
func fromEngine(v parser.Value) ([]series, error) {
	at := func(t int64, v float64) sample { return sample{time.UnixMilli(t), v} }
	var out []series
	switch v := v.(type) {
	case upstream.Scalar:
		return []series{{samples: []sample{at(v.T, v.V)}}}, nil
	case upstream.Vector:
		for _, s := range v {
			if s.H != nil {
				return nil, errHistogram
			}
			out = append(out, series{labels: s.Metric.Map(), samples: []sample{at(s.T, s.F)}})
		}
		return out, nil
	case upstream.Matrix:
		for _, s := range v {
			one := series{labels: s.Metric.Map(), isRange: true}
			for _, f := range s.Floats {
				if !math.IsNaN(f.F) {
					one.samples = append(one.samples, at(f.T, f.F))
				}
			}
			if len(one.samples) > 0 {
				out = append(out, one)
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("the query gives a %s, not numbers", v.Type())
}
