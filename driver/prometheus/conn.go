package prometheus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

type connParams struct {
	URL      string        `param:"url" doc:"Where it is: http://host:9090, with its path prefix if it has one."`
	Scrape   []string      `param:"scrape" doc:"Where there is no Prometheus: metrics pages that Segue scrapes itself and answers PromQL from, http://host:9464/metrics. Each series gets its page's host:port as instance."`
	Every    time.Duration `param:"every" doc:"How often pages are scraped." default:"5s"`
	Keep     time.Duration `param:"keep" doc:"How long what was scraped is kept: no query can look back further." default:"1h"`
	Token    string        `param:"token" doc:"A bearer token."`
	Username string        `param:"username" doc:"The user of basic authentication."`
	Password string        `param:"password" doc:"The password of basic authentication."`
	CA       string        `param:"ca" doc:"A PEM file of the authorities that its certificate may be from; the system's otherwise."`
	Timeout  time.Duration `param:"timeout" doc:"How long an answer may take." default:"10s"`
}

const defaultTimeout = 10 * time.Second

// Validate implements what types cannot say.
func (p connParams) Validate() error {
	switch {
	case (p.URL == "") == (len(p.Scrape) == 0):
		return &runbook.FieldError{Field: "url", Problem: "a prometheus is either a server or a list of metrics pages", Remedy: "give one of url and scrape"}
	case len(p.Scrape) > 0 && (p.Token != "" || p.Username != "" || p.Password != "" || p.CA != ""):
		return &runbook.FieldError{Field: "scrape", Problem: "token, username, password and ca are for a server", Remedy: "leave them out: pages are read as they are"}
	case len(p.Scrape) == 0 && (p.Every != 0 || p.Keep != 0):
		return &runbook.FieldError{Field: "every", Problem: "every and keep are for pages that Segue scrapes", Remedy: "leave them out: the server scrapes at its own pace"}
	}
	if p.Token != "" && (p.Username != "" || p.Password != "") {
		return &runbook.FieldError{Field: "token", Problem: "a bearer token and basic authentication exclude each other", Remedy: "give token, or username and password"}
	}
	return nil
}

// Server is a connection to one Prometheus.
type Server struct {
	base    *url.URL
	p       connParams
	client  *http.Client
	timeout time.Duration
	pages   *pages // in the place of a server
}

// open does not connect: a run must start, and roll back, without Prometheus.
func open(p connParams) (*Server, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Timeout <= 0 {
		p.Timeout = defaultTimeout
	}
	if len(p.Scrape) > 0 {
		all, err := newPages(p)
		if err != nil {
			return nil, err
		}
		return &Server{p: p, timeout: p.Timeout, pages: all}, nil
	}
	base, err := url.Parse(p.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("the URL of prometheus cannot be used; expected http://host:9090")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4
	if p.CA != "" {
		pem, err := os.ReadFile(p.CA)
		if err != nil {
			return nil, fmt.Errorf("authorities of %s: %w", base.Redacted(), err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities of %s: %s holds no PEM certificate", base.Redacted(), p.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &Server{base: base, p: p, timeout: p.Timeout, client: &http.Client{Transport: transport}}, nil
}

// Close returns the connections.
func (s *Server) Close() error {
	if s.pages != nil {
		s.pages.close()
		return nil
	}
	s.client.CloseIdleConnections()
	return nil
}

// String is the server for people.
func (s *Server) String() string {
	if s.pages != nil {
		return s.pages.String()
	}
	return "prometheus " + s.base.Host
}

// A series is one line of an answer: a single sample for an instant query,
// all raw samples for a range selector.
type series struct {
	labels  map[string]string
	samples []sample
	isRange bool
}

type sample struct {
	at    time.Time
	value float64
}

func (s series) last() sample { return s.samples[len(s.samples)-1] }

// answer is the form of Prometheus's HTTP API.
type answer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

var errHistogram = errors.New("a series is a histogram, not a number: take a quantile or a count of it")

// maxAnswer bounds what is read of an answer.
const maxAnswer = 32 << 20

// query asks an instant query.
func (s *Server) query(ctx context.Context, promql string) ([]series, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if s.pages != nil {
		return s.pages.query(ctx, promql)
	}
	form := url.Values{"query": {promql}, "timeout": {strconv.FormatFloat(s.timeout.Seconds(), 'f', -1, 64) + "s"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.JoinPath("api/v1/query").String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch {
	case s.p.Token != "":
		req.Header.Set("Authorization", "Bearer "+s.p.Token)
	case s.p.Username != "":
		req.SetBasicAuth(s.p.Username, s.p.Password)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s, err)
	}
	defer resp.Body.Close()
	var a answer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&a); err != nil {
		return nil, fmt.Errorf("ask %s: HTTP %s and no answer of Prometheus: %w", s, resp.Status, err)
	}
	if a.Status != "success" || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: HTTP %s: %s %s", s, resp.Status, a.ErrorType, a.Error)
	}
	if len(a.Warnings) > 0 { // such as: a part of the answer is missing
		return nil, fmt.Errorf("ask %s: it warns: %s", s, strings.Join(a.Warnings, "; "))
	}
	out, err := a.series()
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s, err)
	}
	return out, nil
}

func (a answer) series() ([]series, error) {
	switch a.Data.ResultType {
	case "scalar":
		var v pair
		err := json.Unmarshal(a.Data.Result, &v)
		return []series{{samples: []sample{sample(v)}}}, err
	case "vector", "matrix":
		var list []struct {
			Metric map[string]string `json:"metric"`
			Value  *pair             `json:"value"`
			Values []pair            `json:"values"`
		}
		if err := json.Unmarshal(a.Data.Result, &list); err != nil {
			return nil, err
		}
		out := make([]series, 0, len(list))
		for _, e := range list {
			one := series{labels: e.Metric, isRange: a.Data.ResultType == "matrix"}
			if e.Value != nil {
				one.samples = append(one.samples, sample(*e.Value))
			}
			for _, v := range e.Values {
				one.samples = append(one.samples, sample(v))
			}
			if len(one.samples) == 0 {
				return nil, errHistogram
			}
			out = append(out, one)
		}
		return out, nil
	}
	return nil, fmt.Errorf("the query gives a %s, not numbers", a.Data.ResultType)
}

// pair is [seconds, "value"].
type pair sample

func (p *pair) UnmarshalJSON(raw []byte) error {
	var seconds float64
	var text string
	if err := json.Unmarshal(raw, &[]any{&seconds, &text}); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return err
	}
	*p = pair{at: time.UnixMilli(int64(seconds * 1000)), value: value}
	return nil
}
