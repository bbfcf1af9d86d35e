package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segue-run/segue/compare/diff"
)

// maxBody bounds what is read of an answer.
const maxBody = 32 << 20

// A side is one of the two systems.
type side struct {
	base    string // http://host:port
	client  *http.Client
	headers map[string]string
	body    string
	timeout time.Duration
}

func newClient(atOnce int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask puts one question. Only when ctx is over is there an error: that a system
// does not answer is what it says.
func (s *side) ask(ctx context.Context, method, path string) (diff.Answer, time.Duration, error) {
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	began := time.Now()
	a, err := s.do(within, method, path)
	took := time.Since(began)
	if ctx.Err() != nil {
		return a, took, context.Cause(ctx)
	}
	if err != nil {
		a = diff.Answer{Failed: err.Error()}
	}
	return a, took, nil
}

func (s *side) do(ctx context.Context, method, path string) (diff.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(s.body))
	if err != nil {
		return diff.Answer{}, s.failed(ctx, err)
	}
	req.Header.Set("User-Agent", "segue-compare")
	for k, v := range s.headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "host") {
			req.Host = v
		}
	}
	a, err := Ask(s.client, req)
	if err != nil {
		return diff.Answer{}, s.failed(ctx, err)
	}
	return a, nil
}

// Ask sends a request and reads the whole answer.
func Ask(client *http.Client, req *http.Request) (diff.Answer, error) {
	resp, err := client.Do(req) //nolint:gosec // whom it asks is what the operator says
	if err != nil {
		return diff.Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return diff.Answer{}, err
	case len(body) > maxBody:
		return diff.Answer{}, fmt.Errorf("its answer has more than %d bytes", maxBody)
	}
	return diff.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// failed leaves the URL out: keys are passed in it.
func (s *side) failed(ctx context.Context, err error) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", s.timeout)
	}
	return err
}
