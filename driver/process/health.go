package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

// errSilent: a connection was made, or is being made, and no answer came.
var errSilent = fmt.Errorf("no answer within %s", askTimeout)

const (
	askTimeout = 2 * time.Second       // for one answer of a replica
	lookEvery  = 25 * time.Millisecond // while waiting for one
	// steady is how long a replica that tells nothing of itself must have run.
	steady  = 500 * time.Millisecond
	maxBody = 1 << 20
)

// asking is how replicas are asked whether they work; actions and checks embed
// it.
type asking struct {
	Health string `param:"health" doc:"Where each replica answers with a status of 2xx when it works: http://{ADDR}/health, with {NAME} for a variable of that replica's own environment. Otherwise its readiness probe counts, or that it keeps running."`
}

var inBraces = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_]*\}`)

func (a asking) validate() error {
	if a.Health == "" || strings.Contains(a.Health, "${") {
		return nil
	}
	u, err := url.Parse(inBraces.ReplaceAllString(a.Health, "1"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &runbook.FieldError{Field: "health", Problem: "that is no URL of HTTP", Remedy: "write http://{ADDR}/health, ADDR being a variable that each replica has"}
	}
	return nil
}

// url is where a replica answers, "" if nowhere.
func (a asking) url(d definition) (string, error) {
	if a.Health == "" {
		return d.readiness(), nil
	}
	var missing []string
	out := inBraces.ReplaceAllStringFunc(a.Health, func(m string) string {
		name := m[1 : len(m)-1]
		if value, ok := d.variable(name); ok {
			return value
		}
		if name == "PC_REPLICA_NUM" {
			return string(d["ReplicaNum"])
		}
		missing = append(missing, name)
		return m
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("health: its environment has no %s", strings.Join(missing, ", "))
	}
	return out, nil
}

// works asks a replica whether it works; the error says what is wrong.
func (c *Conn) works(ctx context.Context, a asking, name string) error {
	_, err := c.page(ctx, a, name)
	return err
}

// page asks a replica whether it works, and returns what it says of itself;
// nil if it has no URL for that.
func (c *Conn) page(ctx context.Context, a asking, name string) ([]byte, error) {
	s, err := c.status(ctx, name)
	if err != nil {
		return nil, err
	}
	if !s.Running {
		return nil, fmt.Errorf("its status is %s", s)
	}
	d, err := c.definition(ctx, name)
	if err != nil {
		return nil, err
	}
	at, err := a.url(d)
	switch {
	case err != nil:
		return nil, err
	case at != "":
		return ask(ctx, at)
	case d.tellsReady() && s.Ready != "Ready":
		return nil, fmt.Errorf("process-compose finds it not ready")
	case !d.tellsReady() && s.Age < steady:
		return nil, fmt.Errorf("it has run for %s only", s.Age.Round(time.Millisecond))
	}
	return nil, nil
}

// asker asks anew each time, and follows nobody elsewhere.
func asker() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// statusError: a page answered, and not with 2xx.
type statusError struct {
	where  string
	status int
}

func (e *statusError) Error() string { return fmt.Sprintf("GET %s: status %d", e.where, e.status) }

// ask gets a page that must answer with 2xx; beside a *statusError there is its
// body all the same.
func ask(ctx context.Context, at string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errSilent)
	defer cancel()
	where := at
	if u, err := url.Parse(at); err == nil {
		where = u.Scheme + "://" + u.Host + u.Path // keys are passed in the rest
	}
	fail := func(err error) ([]byte, error) {
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("GET %s: %w", where, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return fail(err)
	}
	resp, err := asker().Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fail(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return body, &statusError{where, resp.StatusCode}
	}
	return body, nil
}

// await looks until a condition holds, at most for a while; the error says what
// was last wrong.
func await(ctx context.Context, within time.Duration, look func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last error
	for {
		err := look(limited)
		if err == nil {
			return nil
		}
		if last == nil || limited.Err() == nil { // not that time is up
			last = err
		}
		select {
		case <-tick.C:
		case <-limited.Done():
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w (%w)", context.Cause(ctx), last)
		case limited.Err() != nil:
			return fmt.Errorf("not within %s: %w", within, last)
		}
	}
}
