package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type apiParams struct {
	URL      string            `param:"url,required" doc:"Where its paths begin, as in http://host:port."`
	Headers  map[string]string `param:"headers" doc:"Headers to send with each request."`
	Timeout  time.Duration     `param:"timeout" doc:"How long one answer may take to begin." default:"30s"`
	Patience time.Duration     `param:"patience" doc:"How long a request is repeated while the server cannot be reached, or answers 408, 429 or 5xx." default:"1m"`
	Rate     float64           `param:"rate" doc:"How many requests a second it is sent at most; as many as it answers otherwise."`
}

// Validate implements what types cannot say.
func (p apiParams) Validate() error {
	u, err := url.Parse(p.URL)
	switch {
	case strings.Contains(p.URL, "${"): // only known when it is opened
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return &runbook.FieldError{Field: "url", Problem: "that is no URL of HTTP", Remedy: "write http://host:port"}
	case u.RawQuery != "" || u.Fragment != "":
		return &runbook.FieldError{Field: "url", Problem: "a base has no query", Remedy: "write http://host:port, and the query with the path"}
	}
	if p.Rate < 0 {
		return &runbook.FieldError{Field: "rate", Problem: "it is negative", Remedy: "write how many requests a second there may be, as in 20"}
	}
	return nil
}

// API is a server that takes and gives JSON over HTTP. Opening it does not ask
// the server.
type API struct {
	base     *url.URL
	headers  map[string]string
	patience time.Duration
	limit    *rate.Limiter // nil: none
	client   *http.Client
}

func apiPart() driver.Part {
	return driver.Connects(driver.About{
		Name: "http", Doc: "A server that takes and gives records as JSON over HTTP.",
		Reads: readParams{}, Writes: writeParams{},
	}, func(_ context.Context, p apiParams) (*API, error) { return openAPI(p) })
}

func openAPI(p apiParams) (*API, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	base, err := url.Parse(strings.TrimSuffix(p.URL, "/"))
	if err != nil || base.Host == "" {
		return nil, errors.New("http: the url is none") // err repeats it, with what secret is in it
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	if p.Timeout > 0 {
		transport.ResponseHeaderTimeout = p.Timeout
	}
	a := &API{base: base, headers: p.Headers, patience: p.Patience, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if a.patience <= 0 {
		a.patience = time.Minute
	}
	if p.Rate > 0 {
		a.limit = rate.NewLimiter(rate.Limit(p.Rate), 1)
	}
	return a, nil
}

// Close lets the connections go.
func (a *API) Close() error {
	a.client.CloseIdleConnections()
	return nil
}

// String names the server for people, without what keys its URL has.
func (a *API) String() string { return a.base.Scheme + "://" + a.base.Host + a.base.Path }

// id is a path's canonical identity.
func (a *API) id(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return "web:" + strings.ToLower(a.base.Host) + strings.TrimSuffix(a.base.Path+path, "/")
}

// A statusError is an answer that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("it answered %d %s: %s", e.status, http.StatusText(e.status), e.text)
}

// again reports whether another try may be answered otherwise.
func (e *statusError) again() bool {
	return e.status >= 500 && e.status != http.StatusNotImplemented || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
}

// do sends a request until it is answered with 2xx and take has read the answer.
// It is repeated, whole, for as long as patience says; so it must be safe to.
// mine is asked before each sending; nil where nothing is changed.
func (a *API) do(ctx context.Context, mine func() error, method, path string, body []byte, take func(io.Reader) error) error {
	where, err := a.resolve(path)
	if err != nil {
		return err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		if mine != nil {
			if err := mine(); err != nil {
				return struct{}{}, backoff.Permanent(err)
			}
		}
		return struct{}{}, a.once(ctx, method, where, body, take)
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(a.patience))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Err
	}
	if taken, ok := errors.AsType[takeError](err); ok {
		return taken.error
	}
	if err != nil {
		return fmt.Errorf("%s %s%s: %w", method, a.base.Host, where.Path, err)
	}
	return nil
}

// takeError is an error of who takes an answer; it is no reason to ask again.
type takeError struct{ error }

// once sends a request once.
func (a *API) once(ctx context.Context, method string, where *url.URL, body []byte, take func(io.Reader) error) error {
	if a.limit != nil {
		if err := a.limit.Wait(ctx); err != nil {
			return backoff.Permanent(err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, where.String(), bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("the path makes no URL")) // err repeats it
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range a.headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "host") {
			req.Host = v
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok { // it repeats the URL
			err = wrong.Err
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return take(resp.Body)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // as far as it says why
	failed := &statusError{resp.StatusCode, excerpt(text)}
	if !failed.again() {
		return backoff.Permanent(failed)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		select { // what the server asks for, and then once more as usual
		case <-time.After(min(time.Duration(seconds)*time.Second, a.patience/2)):
		case <-ctx.Done():
		}
	}
	return failed
}

// resolve is the URL of a path; one that a server gave must not lead elsewhere.
func (a *API) resolve(path string) (*url.URL, error) {
	u, err := url.Parse(path)
	if err != nil {
		return nil, errors.New("the path is none") // err repeats it, with what keys are in it
	}
	if u.Host != "" && (u.Host != a.base.Host || u.Scheme != a.base.Scheme) {
		return nil, fmt.Errorf("it leads to another server, %s", u.Host)
	}
	if u.Host != "" {
		return u, nil
	}
	full := *a.base
	full.Path, full.RawPath, full.RawQuery = full.Path+u.Path, full.EscapedPath()+u.EscapedPath(), u.RawQuery
	return &full, nil
}
