package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
	"github.com/segue-run/segue/runbook"
)

type httpParams struct {
	URL     string            `param:"url,required" doc:"What to ask."`
	Method  string            `param:"method" enum:"GET|HEAD|POST|PUT|OPTIONS" doc:"How to ask." default:"GET"`
	Headers map[string]string `param:"headers" doc:"Headers to send."`
	Send    string            `param:"send" doc:"The body to send."`
	Status  int               `param:"status" doc:"The status that must come back, unless expect speaks of status; redirects are not followed." default:"200"`
	Expect  string            `param:"expect,expression" vars:"status|body|text|latency" doc:"What must be true of status, body (parsed JSON), text or latency (a duration)."`
	Below   time.Duration     `param:"below" doc:"The bound of the latency, to the answer's last byte."`
	Timeout time.Duration     `param:"timeout" doc:"How long to wait for the whole answer." default:"5s"`
}

// Validate implements what types cannot say.
func (p httpParams) Validate() error {
	u, err := url.Parse(p.URL)
	if strings.Contains(p.URL, "${") {
		return nil // only known when it is opened
	}
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &runbook.FieldError{Field: "url", Problem: "that is no URL of HTTP", Remedy: "write http://host:port/path"}
	}
	if p.Status != 0 && (p.Status < 100 || p.Status > 599) {
		return &runbook.FieldError{Field: "status", Problem: fmt.Sprintf("%d is no status of HTTP", p.Status), Remedy: "write one from 100 to 599"}
	}
	return nil
}

// check is a health check over HTTP.
type check struct {
	p      httpParams
	where  string
	expect *expr.Expr
	client *http.Client
}

func httpCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "http",
		Doc:  "An HTTP server answers with a status, and with what is expected, in time. Fails when it cannot be reached.",
	}, func(_ context.Context, _ driver.Conn, p httpParams) (driver.Check, error) { return newCheck(p) })
}

func newCheck(p httpParams) (*check, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, errors.New("http: the url is none") // err repeats it, with what secret is in it
	}
	c := &check{p: p, where: u.Scheme + "://" + u.Host + u.Path}
	if p.Expect != "" {
		if c.expect, err = expr.Compile(p.Expect, []string{"status", "body", "text", "latency"}); err != nil {
			return nil, fmt.Errorf("http: expect: %w", err)
		}
	}
	if c.p.Method == "" {
		c.p.Method = http.MethodGet
	}
	switch {
	case c.expect != nil && slices.Contains(c.expect.Vars(), "status"):
		c.p.Status = 0 // expect alone says which are right
	case c.p.Status == 0:
		c.p.Status = http.StatusOK
	}
	if c.p.Timeout <= 0 {
		c.p.Timeout = 5 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // each look must reach the server anew
	c.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

// response is what came back.
type response struct {
	status  int
	text    []byte
	latency time.Duration
}

func (c *check) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if got, err := c.ask(ctx); err != nil {
		r = evidence.Failed("unreachable", "", err.Error())
	} else {
		r = c.judge(got)
		r.Samples = 1
	}
	r.Bound, r.Source, r.Query = c.bound(), c.where, c.p.Method+" "+c.where
	return r
}

func (c *check) bound() string {
	var parts []string
	if c.p.Status != 0 {
		parts = append(parts, fmt.Sprintf("status %d", c.p.Status))
	}
	if c.p.Below > 0 {
		parts = append(parts, "below "+c.p.Below.String())
	}
	if c.p.Expect != "" {
		parts = append(parts, c.p.Expect)
	}
	return strings.Join(parts, ", ")
}

func (c *check) ask(ctx context.Context) (response, error) {
	within := c.p.Timeout
	if end, ok := ctx.Deadline(); ok { // who asks may have less time
		within = min(within, time.Until(end).Round(10*time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.p.Method, c.p.URL, strings.NewReader(c.p.Send))
	if err != nil {
		return response{}, c.failed(err, within)
	}
	for k, v := range c.p.Headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "host") {
			req.Host = v
		}
	}
	began := time.Now()
	resp, err := c.client.Do(req)
	if err != nil {
		return response{}, c.failed(err, within)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return response{}, c.failed(err, within)
	}
	return response{resp.StatusCode, text, time.Since(began)}, nil
}

// failed leaves the URL's query and user out: keys are passed there.
func (c *check) failed(err error, within time.Duration) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: no answer within %s", c.p.Method, c.where, within)
	}
	return fmt.Errorf("%s %s: %w", c.p.Method, c.where, err)
}

func (c *check) judge(got response) evidence.Reading {
	value := fmt.Sprintf("%d in %s", got.status, got.latency.Round(100*time.Microsecond))
	switch {
	case c.p.Status != 0 && got.status != c.p.Status:
		return evidence.Failed(value, "", fmt.Sprintf("status %d, expected %d: %s", got.status, c.p.Status, excerpt(got.text)))
	case c.p.Below > 0 && got.latency >= c.p.Below:
		return evidence.Failed(value, "", fmt.Sprintf("the answer took %s", got.latency.Round(100*time.Microsecond)))
	case c.expect == nil:
		return evidence.Passed(value, "")
	case len(got.text) > maxBody:
		return evidence.Unsure(fmt.Sprintf("the answer has more than %d bytes", maxBody))
	}
	vars := map[string]any{"status": int64(got.status), "text": string(got.text), "latency": got.latency}
	body, err := parse(got.text)
	if err == nil {
		vars["body"] = body
	} else if slices.Contains(c.expect.Vars(), "body") {
		return evidence.Failed(value, "", fmt.Sprintf("the answer is no JSON: %v: %s", err, excerpt(got.text)))
	}
	verdict, err := c.expect.Eval(vars)
	r := evidence.Reading{Verdict: verdict, Value: value}
	switch {
	case err != nil:
		r.Verdict, r.Detail = evidence.Unknown, err.Error()+": "+excerpt(got.text)
	case verdict == evidence.Fail:
		r.Detail = "the answer does not meet the expectation: " + excerpt(got.text)
	}
	return r
}

// parse reads JSON and keeps whole numbers whole.
func parse(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("more follows after the JSON")
	}
	return v, nil
}

func excerpt(text []byte) string {
	const most = 200
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "�")), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	if s == "" {
		return "(empty)"
	}
	return s
}
