package prometheus

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// pageStore holds what was scraped of late, for the engine of PromQL. It is a
// storage.Queryable.
type pageStore struct {
	keep time.Duration

	mu     sync.RWMutex
	series map[string]*stored
}

// stored is a series and its samples, oldest first.
type stored struct {
	labels  labels.Labels
	samples []chunks.Sample
}

func newPageStore(keep time.Duration) *pageStore {
	return &pageStore{keep: keep, series: map[string]*stored{}}
}

// add takes the samples of a scrape, and marks those series of the scrape
// before that are not among them as ended, as Prometheus does: what a page no
// longer shows has no value any more. It returns the series that it has now.
func (p *pageStore) add(scraped []series, before map[string]bool, at time.Time) (now map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = map[string]bool{}
	for _, s := range scraped {
		lset := labels.FromMap(s.labels)
		key := lset.String()
		now[key] = true
		one := p.series[key]
		if one == nil {
			one = &stored{labels: lset}
			p.series[key] = one
		}
		for _, v := range s.samples {
			one.append(v.at.UnixMilli(), v.value)
		}
	}
	for key := range before {
		if one := p.series[key]; one != nil && !now[key] {
			one.append(at.UnixMilli(), math.Float64frombits(value.StaleNaN))
		}
	}
	p.forget(at.Add(-p.keep).UnixMilli())
	return now
}

// append leaves out what is not newer than what is there.
func (s *stored) append(at int64, v float64) {
	if n := len(s.samples); n == 0 || s.samples[n-1].T() < at {
		s.samples = append(s.samples, point{at, v})
	}
}

func (p *pageStore) forget(before int64) {
	for key, s := range p.series {
		old := 0
		for old < len(s.samples) && s.samples[old].T() < before {
			old++
		}
		switch {
		case old == len(s.samples):
			delete(p.series, key)
		case old > len(s.samples)/4: // not at each scrape: it copies
			s.samples = slices.Clone(s.samples[old:])
		}
	}
}

// Querier implements storage.Queryable.
func (p *pageStore) Querier(from, to int64) (storage.Querier, error) {
	return &pageQuerier{p, from, to}, nil
}

type pageQuerier struct {
	store    *pageStore
	from, to int64
}

// Select implements storage.Querier.
func (q *pageQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	set := &pageSet{at: -1}
	for _, s := range q.store.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			in := func(t int64) int {
				i, _ := slices.BinarySearchFunc(s.samples, t, func(c chunks.Sample, t int64) int { return int(c.T() - t) })
				return i
			}
			set.all = append(set.all, storage.NewListSeries(s.labels, slices.Clone(s.samples[in(q.from):in(q.to+1)])))
		}
	}
	slices.SortFunc(set.all, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return set
}

// LabelValues implements storage.Querier; the engine does not ask.
func (q *pageQuerier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, _ ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	var out []string
	for _, s := range q.store.series {
		if v := s.labels.Get(name); v != "" && !slices.Contains(out, v) {
			out = append(out, strings.Clone(v))
		}
	}
	slices.Sort(out)
	return out, nil, nil
}

// LabelNames implements storage.Querier; the engine does not ask.
func (q *pageQuerier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.Querier.
func (q *pageQuerier) Close() error { return nil }

// pageSet is a list of series as the engine takes it.
type pageSet struct {
	all []storage.Series
	at  int
}

func (s *pageSet) Next() bool                        { s.at++; return s.at < len(s.all) }
func (s *pageSet) At() storage.Series                { return s.all[s.at] }
func (s *pageSet) Err() error                        { return nil }
func (s *pageSet) Warnings() annotations.Annotations { return nil }

// point is a sample as the engine takes it.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                      { return p.t }
func (p point) ST() int64                     { return 0 }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }
