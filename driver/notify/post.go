package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

const defaultTimeout = 10 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// A poster posts JSON to one URL, which it keeps to itself.
type poster struct {
	url     *url.URL
	client  *http.Client
	timeout time.Duration
}

func newPoster(to string, timeout time.Duration) (*poster, error) {
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the url cannot be used; expected https://host/path") // and not the url: it is a secret
	}
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 1
	return &poster{u, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, timeout}, nil
}

func (p *poster) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// post sends a body and returns what came back with a status of success.
func (p *poster) post(ctx context.Context, body any, head http.Header) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the notice: %w", err)
	}
	return p.send(ctx, text, head)
}

func (p *poster) send(ctx context.Context, text []byte, head http.Header) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), bytes.NewReader(text))
	if err != nil {
		return nil, p.failed(err)
	}
	for name, values := range head {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "segue")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, p.failed(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, p.failed(err)
	}
	if resp.StatusCode/100 == 2 {
		return answer, nil
	}
	un := &driver.Undelivered{Err: fmt.Errorf("%s answered %s: %s", p.url.Host, resp.Status, excerpt(answer))}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		un.After = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code/100 == 5:
	default:
		un.Never = true
	}
	return nil, un
}

// failed leaves the URL out of an error.
func (p *poster) failed(err error) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s gave no answer within %s", p.url.Host, p.timeout)
	}
	return fmt.Errorf("post to %s: %w", p.url.Host, err)
}

// maxWait bounds what a receiver may ask for.
const maxWait = time.Hour

// retryAfter reads the header: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return min(time.Duration(max(n, 0))*time.Second, maxWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxWait)
	}
	return 0
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

// cut keeps a text to so many characters.
func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// posts looks at an URL that is posted to.
func posts(field, to string) error {
	if strings.Contains(to, "${") || to == "" {
		return nil // only known when it is opened
	}
	if u, err := url.Parse(to); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &runbook.FieldError{Field: field, Problem: "that is no URL of HTTP", Remedy: "write https://host/path"}
	}
	return nil
}

// secretly refuses a secret that stands in the runbook itself.
func secretly(field, value string) error {
	if value == "" || strings.Contains(value, "${") {
		return nil
	}
	return &runbook.FieldError{Field: field, Problem: "a secret does not belong in a runbook", Remedy: `write "${NAME}" for the environment, or "${file:/path}"`}
}
