package load

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type params struct {
	Target   string            `param:"target,required" doc:"The system, http://host:port; a connection must name it as a target."`
	Paths    []string          `param:"paths,required" doc:"What is asked for, in turn."`
	Method   string            `param:"method" enum:"GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE" doc:"How." default:"GET"`
	Unsafe   bool              `param:"unsafe-methods" doc:"Methods that change something are allowed."`
	Headers  map[string]string `param:"headers" doc:"Headers to send."`
	Send     string            `param:"send" doc:"The body to send."`
	RPS      int               `param:"rps,required" doc:"How many requests are due in a second, whether answers come or not."`
	Duration time.Duration     `param:"duration,required" doc:"For how long."`
	P50      time.Duration     `param:"p50" doc:"The median must be below this. Latencies are from when a request was due to its answer's last byte."`
	P95      time.Duration     `param:"p95" doc:"19 of 20 must be below this."`
	P99      time.Duration     `param:"p99" doc:"99 of 100 must be below this."`
	Errors   runbook.Percent   `param:"errors" doc:"How many may fail at most: no answer, or a status from 400 on." default:"0%"`
	Answer   time.Duration     `param:"answer-within" doc:"What takes longer, from when it was due, is an error." default:"10s"`
	AtOnce   int               `param:"at-once" doc:"How many are under way at most; more wait, and their waiting counts." default:"1000"`
}

// Takes is how long one look takes.
func (p params) Takes() time.Duration { return p.Duration + or(p.Answer, 10*time.Second) + time.Second }

// Validate implements what types cannot say.
func (p params) Validate() error {
	safe := slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions}, p.Method)
	u, err := url.Parse(p.Target)
	known := !strings.Contains(p.Target, "${") // else only when it is opened
	for _, f := range []struct {
		field          string
		wrong          bool
		problem, right string
	}{
		{"target", known && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != ""), "that is no system that speaks HTTP", "write http://host:port, and what is asked for into paths"},
		{"paths", len(p.Paths) == 0 || slices.ContainsFunc(p.Paths, func(s string) bool { return !strings.HasPrefix(s, "/") }), "that cannot be asked for", "write [/robots, /health]"},
		{"method", !safe && !p.Unsafe, p.Method + " may change the system", "write unsafe-methods: true, if it may"},
		{"rps", p.RPS <= 0, "that is no load", "write 1000"},
		{"duration", p.Duration <= 0 || p.Duration > 24*time.Hour, "nothing is due in that time", "write 5m"},
		{"errors", p.Errors < 0 || p.Errors > 100, "that is no share", "write 0.1%"},
		{"at-once", p.AtOnce < 0, "that many cannot be under way", "write 1000"},
		{"answer-within", p.Answer < 0, "that is no time", "write 10s"},
		{"p50", p.P50 < 0, "that is no time", "write 50ms"},
		{"p95", p.P95 < 0, "that is no time", "write 80ms"},
		{"p99", p.P99 < 0, "that is no time", "write 100ms"},
	} {
		if f.wrong {
			return &runbook.FieldError{Field: f.field, Problem: f.problem, Remedy: f.right}
		}
	}
	return nil
}

func or[T int | time.Duration](given, usual T) T {
	if given == 0 {
		return usual
	}
	return given
}

// check puts a system under load at each look.
type check struct {
	p    params
	plan plan
}

func loadCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: Kind, On: Kind,
		Doc: "A system bears a load: latencies, from when requests were due, and errors stay within bounds. Each look is the whole load. Unknown when this machine could not send it in time.",
	}, func(_ context.Context, on *Targets, p params) (driver.Check, error) { return newCheck(on, p) })
}

func newCheck(on *Targets, p params) (*check, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	u, err := url.Parse(strings.TrimSuffix(p.Target, "/"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("load: the target is none: write http://host:port")
	}
	if on == nil {
		return nil, fmt.Errorf("load: no connection says what may be put under load")
	}
	if err := on.allows(u, p.RPS); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	method := p.Method
	if method == "" {
		method = http.MethodGet
	}
	return &check{p, plan{
		target: u, paths: p.Paths, method: method, headers: p.Headers, body: p.Send, rps: p.RPS, lasts: p.Duration,
		patient: or(p.Answer, 10*time.Second), atOnce: or(p.AtOnce, 1000),
	}}, nil
}

func (c *check) Read(ctx context.Context) evidence.Reading {
	result, err := c.plan.run(ctx)
	r := c.judge(result)
	if err != nil {
		r.Verdict, r.Detail = evidence.Unknown, err.Error()
	}
	r.Source = c.plan.target.String()
	r.Query = fmt.Sprintf("%s %s, %d/s for %s", c.plan.method, strings.Join(c.plan.paths, ", "), c.p.RPS, c.p.Duration)
	if raw, err := json.Marshal(result); err == nil {
		r.Raw = raw
	}
	return r
}

// bounds are those that are asked for, in milliseconds.
func (c *check) bounds() []bound {
	var out []bound
	for _, b := range []bound{
		{"p50", c.p.P50, func(r Result) float64 { return r.P50 }},
		{"p95", c.p.P95, func(r Result) float64 { return r.P95 }},
		{"p99", c.p.P99, func(r Result) float64 { return r.P99 }},
	} {
		if b.below > 0 {
			out = append(out, b)
		}
	}
	return out
}

type bound struct {
	name  string
	below time.Duration
	of    func(Result) float64
}

// enough is the share of the load that must have been sent.
const enough = 0.99

func (c *check) judge(r Result) evidence.Reading {
	out := evidence.Reading{
		Value:   fmt.Sprintf("%d requests in %.1f s: p50 %.4g ms, p95 %.4g ms, p99 %.4g ms, %s errors", r.Due, r.Seconds, r.P50, r.P95, r.P99, evidence.Percent(r.ErrorRatio())),
		Samples: r.Due,
	}
	parts := []string{fmt.Sprintf("at most %s errors", evidence.Percent(float64(c.p.Errors)/100))}
	var slow []string
	own := false
	for _, b := range c.bounds() {
		parts = append(parts, fmt.Sprintf("%s below %s", b.name, b.below))
		if ms := float64(b.below) / float64(time.Millisecond); b.of(r) >= ms {
			slow = append(slow, fmt.Sprintf("%s is %.4g ms", b.name, b.of(r)))
			own = own || r.Late > ms/2
		}
	}
	out.Bound = strings.Join(parts, ", ")
	switch {
	case float64(r.Due) < enough*float64(c.plan.all()):
		out.Detail = fmt.Sprintf("only %d of %d requests were sent", r.Due, c.plan.all())
	case r.ErrorRatio() > float64(c.p.Errors)/100:
		out.Verdict, out.Detail = evidence.Fail, fmt.Sprintf("%d of %d failed: %s", r.Errors, r.Due, reasons(r.By))
	case len(slow) > 0 && own:
		out.Detail = fmt.Sprintf("%s, but this machine itself was late by %.4g ms (p99): send less, or from another one", strings.Join(slow, ", "), r.Late)
	case len(slow) > 0:
		out.Verdict, out.Detail = evidence.Fail, strings.Join(slow, ", ")
	default:
		out.Verdict = evidence.Pass
	}
	return out
}

// reasons are the most frequent ones first.
func reasons(by map[string]int64) string {
	names := slices.Collect(maps.Keys(by))
	slices.SortFunc(names, func(a, b string) int {
		if by[a] != by[b] {
			return int(by[b] - by[a])
		}
		return strings.Compare(a, b)
	})
	var out []string
	for _, name := range names[:min(len(names), 3)] {
		out = append(out, fmt.Sprintf("%d × %s", by[name], name))
	}
	return strings.Join(out, ", ")
}
