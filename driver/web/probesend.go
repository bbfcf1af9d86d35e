package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
)

const (
	attempt    = 10 * time.Second       // for one sending
	againFirst = 200 * time.Millisecond // before another one; twice as long each time
	againMost  = 2 * time.Second
)

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // an action has no end at which to close them
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send sends the request until it is answered as is right. To send it again is
// safe: it has the same id.
func (a *probe) send(ctx context.Context, e driver.Effect, id string) (int, error) {
	var last error
	for wait := againFirst; ; wait = min(2*wait, againMost) {
		if err := e.Mine(); err != nil {
			return 0, err
		}
		got, err := a.once(ctx, id)
		switch {
		case err == nil && a.right(got.status):
			return got.status, nil
		case err == nil:
			err = fmt.Errorf("it answered %d, expected %s: %s", got.status, a.expected(), a.secrets.Redact(excerpt(got.text)))
			if got.status < 500 && got.status != http.StatusTooManyRequests {
				return 0, err
			}
			last = err
		case ctx.Err() == nil || last == nil: // not merely that the time was over
			last = err
		}
		if err := sleep(ctx, wait); err != nil {
			return 0, errors.Join(last, err)
		}
	}
}

func (a *probe) right(status int) bool {
	if len(a.p.Status) == 0 {
		return status >= 200 && status < 300
	}
	return slices.Contains(a.p.Status, status)
}

func (a *probe) expected() string {
	if len(a.p.Status) == 0 {
		return "2xx"
	}
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(a.p.Status)), " or "), "[]")
}

// once sends the request once.
func (a *probe) once(ctx context.Context, id string) (response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attempt, fmt.Errorf("no answer within %s", attempt))
	defer cancel()
	with := func(s string) string { return strings.ReplaceAll(s, placeholder, id) }
	body := with(a.p.Body)
	req, err := http.NewRequestWithContext(ctx, a.p.Method, with(a.p.URL), strings.NewReader(body))
	if err != nil {
		return response{}, errors.New("the url is none") // err repeats it, with what secret is in it
	}
	if strings.HasPrefix(strings.TrimSpace(body), "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range a.p.Headers {
		req.Header.Set(k, with(v))
		if strings.EqualFold(k, "host") {
			req.Host = with(v)
		}
	}
	if a.p.SignHeader != "" {
		req.Header.Set(a.p.SignHeader, sign(a.p.SignSecret, body))
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return response{}, a.failed(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return response{}, a.failed(ctx, err)
	}
	return response{status: resp.StatusCode, text: text}, nil
}

// sign is the hex HMAC-SHA256 of a body.
func sign(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// failed leaves the URL out: keys are passed in it.
func (a *probe) failed(ctx context.Context, err error) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("it cannot be reached: %w", err)
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
