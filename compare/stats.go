package compare

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/segue-run/segue/compare/diff"
)

// A Pair is one question and its answers.
type Pair struct {
	Endpoint string // how it is counted: GET /robots/{id}
	Request  string // what was asked: GET /robots/r7
	Legacy   diff.Answer
	New      diff.Answer
	Again    *diff.Answer // legacy's second answer; nil when it was asked once
	// LegacyTook and NewTook are how long the answers took; 0 when not known.
	LegacyTook, NewTook time.Duration
}

// Stats are what the pairs said so far. The zero value is ready to use, and may
// be used by several goroutines.
type Stats struct {
	mu         sync.Mutex
	pairs      int64
	unanswered int64
	endpoints  map[string]*endpoint
}

type endpoint struct {
	pairs, alike, noisy, differing int64
	statuses                       map[int]int64 // of legacy
	fields                         map[fieldKey]*Field
	others                         int64 // differences in more fields than are kept
	legacy, fresh                  *hdrhistogram.Histogram
}

type fieldKey struct {
	field string
	kind  diff.Kind
}

const (
	mostEndpoints = 200 // what comes after is counted as one

	mostFields   = 500 // of an endpoint; more are those of objects whose names are data
	mostExamples = 3   // of a field; of noise one is enough
)

// Add compares the answers of a pair and counts what differs. again reports that
// to ask once more would tell: the new answer differs where legacy never did, and
// not often enough yet to be no chance.
func (s *Stats) Add(c *diff.Comparer, p Pair) (again bool) {
	if p.Legacy.Failed != "" && (p.Again == nil || p.Again.Failed != "") {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unanswered++
		return false
	}
	legacy := c.Legacy(p.Legacy)
	found := c.Differences(legacy, c.New(p.New))
	var noise []diff.Difference
	if p.Again != nil {
		noise = c.Differences(legacy, c.Legacy(*p.Again))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs++
	return s.endpoint(p.Endpoint).add(p, found, noise, s.pairs)
}

// mostAgain bounds how often one question is asked once more. A difference that
// is always there is proven by then.
const mostAgain = 20

// Settle asks a question, and again while that would tell a difference from
// chance. It ends with the first error of ask.
func (s *Stats) Settle(c *diff.Comparer, ask func() (Pair, error)) error {
	for range 1 + mostAgain {
		p, err := ask()
		if err != nil {
			return err
		}
		if again := s.Add(c, p); !again {
			break
		}
	}
	return nil
}

func (s *Stats) endpoint(name string) *endpoint {
	e := s.endpoints[name]
	if e == nil && len(s.endpoints) >= mostEndpoints {
		name = "others"
		e = s.endpoints[name]
	}
	if e == nil {
		if s.endpoints == nil {
			s.endpoints = map[string]*endpoint{}
		}
		e = &endpoint{
			statuses: map[int]int64{}, fields: map[fieldKey]*Field{},
			legacy: hdrhistogram.New(1, time.Minute.Microseconds(), 2), fresh: hdrhistogram.New(1, time.Minute.Microseconds(), 2),
		}
		s.endpoints[name] = e
	}
	return e
}

// place is where a difference is, in one pair.
type place struct {
	path string
	kind diff.Kind
}

func places(all []diff.Difference) map[place]bool {
	out := make(map[place]bool, len(all))
	for _, d := range all {
		out[place{d.Path, d.Kind}] = true
	}
	return out
}

// onePair is what one pair says of a field.
type onePair struct {
	odd  int // places where the new answer differs and legacy agrees with itself
	even int // places where legacy's second answer differs and the new one does not
	both int // places where both differ from legacy's first
}

func (e *endpoint) add(p Pair, found, noise []diff.Difference, number int64) (again bool) {
	e.pairs++
	e.statuses[p.Legacy.Status]++
	record(e.legacy, p.LegacyTook)
	record(e.fresh, p.NewTook)
	if len(found) == 0 && len(noise) == 0 {
		e.alike++
		return false
	}
	inNew, inNoise := places(found), places(noise)
	seen := map[*Field]*onePair{}
	of := func(d diff.Difference) (*Field, *onePair) {
		f := e.field(d)
		if f != nil && seen[f] == nil {
			seen[f] = &onePair{}
		}
		return f, seen[f]
	}
	odd := false
	for _, d := range found {
		f, n := of(d)
		both := inNoise[place{d.Path, d.Kind}]
		odd = odd || !both
		switch {
		case f == nil && both:
		case f == nil:
			e.others++
		case both:
			n.both++
		default:
			if n.odd++; n.odd == 1 {
				f.Examples = example(f.Examples, p, d, number)
			}
		}
	}
	for _, d := range noise {
		f, n := of(d)
		if f == nil {
			continue
		}
		if !inNew[place{d.Path, d.Kind}] {
			n.even++
		}
		if len(f.NoiseExamples) == 0 {
			f.NoiseExamples = example(f.NoiseExamples, p, d, number)
		}
	}
	for f, n := range seen {
		f.add(*n, p.Again != nil)
		again = again || n.odd > 0 && f.Noise == 0 && f.judge() == Unclear
	}
	if odd {
		e.differing++
	} else {
		e.noisy++
	}
	return again
}

func example(kept []Example, p Pair, d diff.Difference, number int64) []Example {
	if len(kept) >= mostExamples {
		return kept
	}
	return append(kept, Example{Pair: number, Request: p.Request, Path: d.Path, Legacy: d.Legacy, New: d.New})
}

func (e *endpoint) field(d diff.Difference) *Field {
	k := fieldKey{d.Field, d.Kind}
	f := e.fields[k]
	if f == nil && len(e.fields) < mostFields {
		f = &Field{Field: d.Field, Kind: d.Kind}
		e.fields[k] = f
	}
	return f
}

func record(h *hdrhistogram.Histogram, took time.Duration) {
	if took > 0 {
		_ = h.RecordValue(min(max(took.Microseconds(), 1), h.HighestTrackableValue()))
	}
}

// Report is how it stands.
func (s *Stats) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Pairs: s.pairs, Unanswered: s.unanswered}
	for name, e := range s.endpoints {
		out := Endpoint{
			Name: name, Pairs: e.pairs, Alike: e.alike, Noisy: e.noisy, Differing: e.differing, OtherFields: e.others,
			Legacy: speed(e.legacy), New: speed(e.fresh), Statuses: map[int]int64{},
		}
		for status, n := range e.statuses {
			out.Statuses[status] = n
		}
		for _, f := range e.fields {
			one := *f
			one.Judged = f.judge()
			one.Examples, one.NoiseExamples = slices.Clone(f.Examples), slices.Clone(f.NoiseExamples)
			out.Fields = append(out.Fields, one)
		}
		slices.SortFunc(out.Fields, func(a, b Field) int {
			return cmp.Or(cmp.Compare(a.Judged.rank(), b.Judged.rank()), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Kind, b.Kind))
		})
		r.Endpoints = append(r.Endpoints, out)
	}
	slices.SortFunc(r.Endpoints, func(a, b Endpoint) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// rank puts what matters first.
func (j Judgement) rank() int { return slices.Index([]Judgement{Difference, Unclear, Noise}, j) }

func speed(h *hdrhistogram.Histogram) Speed {
	if h.TotalCount() == 0 {
		return Speed{}
	}
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Speed{P50: ms(50), P99: ms(99)}
}
