package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type ratioParams struct {
	On         string          `param:"on,connection" doc:"The Prometheus that has the counters."`
	URL        string          `param:"url" doc:"The metrics page that has the counters, where no Prometheus is asked."`
	Bad        string          `param:"bad,required" doc:"A selector of raw counters: what went wrong."`
	Total      string          `param:"total,required" doc:"A selector of raw counters: all that happened, with what went wrong."`
	Below      runbook.Percent `param:"below,required" doc:"The bound of bad of total."`
	Window     time.Duration   `param:"window" doc:"Only what happened this recently counts; otherwise all since the check's first look."`
	MinSamples int64           `param:"min-samples" doc:"With fewer than this in total it is unknown." default:"20"`
	MaxAge     time.Duration   `param:"max-age" doc:"Samples, or traffic, older than this are no answer." default:"2m"`
	Timeout    time.Duration   `param:"timeout" doc:"How long the metrics page may take." default:"10s"`
}

// Validate refuses what cannot be counted.
func (p ratioParams) Validate() error {
	if (p.On == "") == (p.URL == "") {
		return &runbook.FieldError{Field: "on", Problem: "the counters are either on a prometheus connection or on a metrics page", Remedy: "give one of on and url"}
	}
	for _, f := range [][2]string{{"bad", p.Bad}, {"total", p.Total}} {
		if _, err := parseSelector(f[1]); err != nil {
			return &runbook.FieldError{Field: f[0], Problem: err.Error(), Remedy: `write the raw counter, as in requests_total{status=~"5.."}: Segue takes its increments itself`}
		}
	}
	if p.Below <= 0 || p.Below > 100 {
		return &runbook.FieldError{Field: "below", Problem: fmt.Sprintf("%g %% is no share", float64(p.Below)), Remedy: "write more than 0 % and at most 100 %"}
	}
	return nil
}

// ratio measures which share of what happened went wrong.
type ratio struct {
	p          ratioParams
	bad, total selector
	source     counters
	now        func() time.Time

	mu               sync.Mutex
	badSeen, allSeen counts
	looks            looks
	firstLook        time.Time
	lastLook         time.Time
}

// counters is where raw counters are read. since is when they were read last.
type counters interface {
	String() string
	raw(ctx context.Context, since time.Duration, selectors ...selector) ([][]series, error)
	// exists reports whether any series has the metric's name: only then does
	// no series that matches mean that nothing happened.
	exists(ctx context.Context, metric string) (bool, error)
}

func ratioCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "ratio", On: kind,
		Doc: "The share of what went wrong, from raw counters, is below a bound. Unknown without traffic.",
	}, func(_ context.Context, s *Server, p ratioParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if p.URL == "" {
			return newRatio(s, p)
		}
		pg, err := newPage(p.URL, p.Timeout)
		if err != nil {
			return nil, err
		}
		return newRatio(pg, p)
	})
}

func newRatio(source counters, p ratioParams) (*ratio, error) {
	bad, err := parseSelector(p.Bad)
	if err != nil {
		return nil, fmt.Errorf("ratio: bad: %w", err)
	}
	total, err := parseSelector(p.Total)
	if err != nil {
		return nil, fmt.Errorf("ratio: total: %w", err)
	}
	if p.MinSamples <= 0 {
		p.MinSamples = 20
	}
	if p.MaxAge <= 0 {
		p.MaxAge = defaultMaxAge
	}
	return &ratio{p: p, bad: bad, total: total, source: source, now: time.Now, looks: looks{window: p.Window}}, nil
}

func (r *ratio) Read(ctx context.Context) evidence.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.read(ctx)
	out.Bound = fmt.Sprintf("below %g %%", float64(r.p.Below))
	out.Source, out.Query = r.source.String(), strings.Join([]string{r.p.Bad, r.p.Total}, " / ")
	return out
}

func (r *ratio) read(ctx context.Context) evidence.Reading {
	now := r.now()
	since := r.p.MaxAge
	if !r.lastLook.IsZero() {
		since += now.Sub(r.lastLook)
	}
	both, err := r.source.raw(ctx, since, r.bad, r.total)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	bad, total := both[0], both[1]
	if len(total) == 0 {
		return evidence.Unsure("no data: no series is " + r.total.text)
	}
	if len(bad) == 0 {
		there, err := r.source.exists(ctx, r.bad.name)
		if err != nil {
			return evidence.Unsure(err.Error())
		}
		if !there {
			return evidence.Unsure("no data: no series is called " + r.bad.name)
		}
	}
	newest := total[0].last().at
	for _, s := range total {
		if at := s.last().at; at.After(newest) {
			newest = at
		}
	}
	if age := now.Sub(newest); age > r.p.MaxAge {
		return evidence.Unsure(fmt.Sprintf("stale: the newest sample is %s old, and at most %s is taken", age.Round(time.Second), r.p.MaxAge))
	}
	badGrown, _ := r.badSeen.add(bad)
	allGrown, first := r.allSeen.add(total)
	r.lastLook = now
	if first {
		r.firstLook = now
	}
	r.looks.add(look{now, badGrown, allGrown})
	return r.judge(now)
}

func (r *ratio) judge(now time.Time) evidence.Reading {
	sum := r.looks.sum
	share := 100 * sum.bad / sum.total
	value := fmt.Sprintf("%.3g %% (%g of %g)", share, sum.bad, sum.total)
	var out evidence.Reading
	switch quiet := now.Sub(sum.at); {
	case sum.total <= 0:
		out = evidence.Unsure("no traffic since " + r.firstLook.Format(time.TimeOnly))
	case quiet > r.p.MaxAge:
		out = evidence.Unsure(fmt.Sprintf("no traffic for %s", quiet.Round(time.Second)))
	case sum.total < float64(r.p.MinSamples):
		out = evidence.Unsure(fmt.Sprintf("%g samples of the %d that are needed", sum.total, r.p.MinSamples))
	case sum.bad > sum.total:
		out = evidence.Unsure(fmt.Sprintf("%g bad of %g in total: bad is not a part of total", sum.bad, sum.total))
	case share >= float64(r.p.Below):
		out = evidence.Failed(value, "", fmt.Sprintf("%g of %g went wrong", sum.bad, sum.total))
	default:
		out = evidence.Passed(value, "")
	}
	out.Samples = int64(sum.total)
	out.Raw, _ = json.Marshal(map[string]float64{"bad": sum.bad, "total": sum.total}) //nolint:errchkjson // finite numbers
	return out
}

// raw reads the samples themselves, never a rate over a sliding window.
func (s *Server) raw(ctx context.Context, since time.Duration, selectors ...selector) ([][]series, error) {
	out := make([][]series, len(selectors))
	for i, sel := range selectors {
		all, err := s.query(ctx, fmt.Sprintf("%s[%ds]", sel.text, int(since.Seconds())+1))
		if err != nil {
			return nil, err
		}
		out[i] = all
	}
	return out, nil
}

func (s *Server) exists(ctx context.Context, metric string) (bool, error) {
	all, err := s.query(ctx, "count("+metric+")")
	return len(all) > 0, err
}

func (p *page) raw(ctx context.Context, _ time.Duration, selectors ...selector) ([][]series, error) {
	all, err := p.scrape(ctx)
	if err != nil {
		return nil, err
	}
	out := make([][]series, len(selectors))
	for i, sel := range selectors {
		out[i] = sel.pick(all)
	}
	return out, nil
}

func (p *page) exists(ctx context.Context, metric string) (bool, error) {
	all, err := p.scrape(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if s.labels["__name__"] == metric {
			return true, nil
		}
	}
	return false, nil
}
