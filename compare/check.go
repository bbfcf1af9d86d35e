package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/compare/diff"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// Kind is the check's name.
const Kind = "http.compare"

type params struct {
	Legacy   string            `param:"legacy,required" doc:"The old system: http://host:port."`
	New      string            `param:"new,required" doc:"The new system."`
	Requests []string          `param:"requests,required" doc:"What both are asked: /robots, HEAD /robots, /robots as /api/v2/robots where the path is another, and /robots/nobody 404 where an error is asked for. {id} is filled in, see draw."`
	Draw     map[string]string `param:"draw" doc:"Where values for {id} come from: a path of legacy, and a jq program that gives them: {id: '/robots .[].id'}."`
	Runs     int               `param:"runs" doc:"How often each request is asked, at each look." default:"100"`
	Workers  int               `param:"workers" doc:"How many pairs are asked at a time." default:"2"`
	Twice    *bool             `param:"ask-twice" doc:"Legacy is asked again after the new system, so that noise is known. A method that changes something is never asked twice." default:"true"`
	Headers  map[string]string `param:"headers" doc:"Headers to send to both."`
	Send     string            `param:"send" doc:"The body to send to both."`
	Unsafe   bool              `param:"unsafe-methods" doc:"Methods other than GET, HEAD and OPTIONS are allowed. They change both systems."`
	Answer   time.Duration     `param:"answer-within" doc:"How long one answer may take." default:"5s"`
	Timeout  time.Duration     `param:"timeout" doc:"How long a look may take. The runner gives 10s to who says nothing."`
	diff.Rules
}

// Validate implements what types cannot say.
func (p params) Validate() error {
	if _, err := p.trial(); err != nil {
		return err
	}
	return nil
}

// check compares two systems anew at each look.
type check struct {
	trial *trial
	meant map[string]bool // endpoints of which an error is asked for
}

func compareCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: Kind,
		Doc:  "Two systems give the same answers: status, headers and JSON, but for what the rules allow. Legacy is asked twice, so that noise is told from differences. Unknown when legacy does not answer, or there was not time enough.",
	}, func(_ context.Context, _ driver.Conn, p params) (driver.Check, error) { return newCheck(p) })
}

func newCheck(p params) (*check, error) {
	t, err := p.trial()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Kind, err)
	}
	c := &check{trial: t, meant: map[string]bool{}}
	for _, r := range t.requests {
		if r.status > 0 {
			c.meant[r.endpoint()] = true
		}
	}
	return c, nil
}

func (c *check) Read(ctx context.Context) evidence.Reading {
	report, err := c.trial.run(ctx)
	r := report.Reading(func(endpoint string) bool { return c.meant[endpoint] })
	if err != nil {
		r = evidence.Unsure(err.Error())
	}
	r.Source, r.Query = c.trial.fresh.base, fmt.Sprintf("%s, as %s answers it", strings.Join(c.endpoints(), ", "), c.trial.legacy.base)
	if raw, err := json.Marshal(report); err == nil {
		r.Raw = raw
	}
	return r
}

func (c *check) endpoints() []string {
	var out []string
	for _, r := range c.trial.requests {
		out = append(out, r.endpoint())
	}
	return out
}

// trial is what the parameters ask for, or a *[runbook.FieldError].
func (p params) trial() (*trial, error) {
	comparer, err := p.Compile()
	if err != nil {
		return nil, err
	}
	t := &trial{
		comparer: comparer, draws: map[string]draw{},
		rounds: or(p.Runs, 100), workers: or(p.Workers, 2), twice: p.Twice == nil || *p.Twice,
	}
	for _, f := range []struct {
		field string
		wrong bool
		right string
	}{
		{"runs", p.Runs < 0, "write 100"},
		{"workers", p.Workers < 0 || p.Workers > 1000, "write 2"},
		{"answer-within", p.Answer < 0, "write 5s"},
		{"timeout", p.Timeout < 0, "write 1m"},
		{"requests", len(p.Requests) == 0, "write [/robots]"},
	} {
		if f.wrong {
			return nil, &runbook.FieldError{Field: f.field, Problem: "that cannot be asked", Remedy: f.right}
		}
	}
	for _, s := range []struct {
		field, url string
		side       *side
	}{{"legacy", p.Legacy, &t.legacy}, {"new", p.New, &t.fresh}} {
		base, err := baseOf(s.field, s.url)
		if err != nil {
			return nil, err
		}
		*s.side = side{base: base, client: newClient(t.workers), headers: p.Headers, body: p.Send, timeout: or(p.Answer, 5*time.Second)}
	}
	if err := p.drawn(t); err != nil {
		return nil, err
	}
	return t, p.asked(t)
}

func or[T int | time.Duration](given, usual T) T {
	if given == 0 {
		return usual
	}
	return given
}

func baseOf(field, text string) (string, error) {
	base := strings.TrimSuffix(text, "/")
	if strings.Contains(text, "${") {
		return base, nil // only known when it is opened
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
		return "", &runbook.FieldError{Field: field, Problem: "that is no system that speaks HTTP", Remedy: "write http://host:port, and keys into headers"}
	}
	return base, nil
}

func (p params) drawn(t *trial) error {
	for _, name := range slices.Sorted(maps.Keys(p.Draw)) {
		path, program, _ := strings.Cut(p.Draw[name], " ")
		wrong := func(problem string) error {
			return &runbook.FieldError{Field: "draw", Problem: name + ": " + problem, Remedy: "write a path of legacy, a blank, and a jq program: '/robots .[].id'"}
		}
		if !strings.HasPrefix(path, "/") || strings.TrimSpace(program) == "" {
			return wrong("that gives no values")
		}
		code, err := diff.Program(program)
		if err != nil {
			return wrong(err.Error())
		}
		t.draws[name] = draw{path, code}
	}
	return nil
}

func (p params) asked(t *trial) error {
	for _, text := range p.Requests {
		r, err := parseRequest(text)
		if err != nil {
			return &runbook.FieldError{Field: "requests", Problem: err.Error(), Remedy: "write /robots, HEAD /robots, or /robots as /api/v2/robots"}
		}
		if !r.safe() && !p.Unsafe {
			return &runbook.FieldError{Field: "requests", Problem: r.endpoint() + " may change both systems", Remedy: "write unsafe-methods: true, if it may"}
		}
		for _, name := range r.blanks() {
			if _, ok := t.draws[name]; !ok {
				return &runbook.FieldError{Field: "requests", Problem: fmt.Sprintf("nothing is drawn for {%s}", name), Remedy: fmt.Sprintf("write draw: {%s: '/robots .[].id'}", name)}
			}
		}
		t.requests = append(t.requests, r)
	}
	return nil
}
