package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

const (
	// answerTime is how long somebody waits for one answer.
	answerTime = 15 * time.Second
	// pause is between two tries, unless the answer asks for another.
	pause        = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// postAll sends what one robot has to say, one after the other.
func (f *fleet) postAll(ctx context.Context, r *Robot, queue <-chan *heartbeat) {
	for h := range queue {
		body, err := json.Marshal(api.Heartbeat{Record: h.record, MessageID: h.messageID(r.Odd)})
		if err != nil {
			h.Outcome, h.Error = Failed, err.Error()
			f.sent(h.Sent)
			continue
		}
		h.SentAt = time.Now().UnixNano()
		for again := true; again; {
			var wait time.Duration
			var answer api.Accepted
			if wait, again = f.try(ctx, &h.Sent, request{http.MethodPost, f.cfg.URL + api.PathRobotStatus, r.Key, body, &answer, f.client}); again {
				again = sleep(ctx, wait)
			}
			h.Durable = answer.Durable
		}
		f.sent(h.Sent)
	}
}

// request is one over HTTP; answer is decoded into on 2xx, unless it is nil.
type request struct {
	method, url, robot string
	body               []byte
	answer             any
	client             *http.Client
}

// try makes a request and notes what came back; again says that it may be made
// again, after wait.
func (f *fleet) try(ctx context.Context, s *Sent, r request) (wait time.Duration, again bool) {
	s.Tries++
	s.Code, s.Error = 0, ""
	resp, raw, err := f.do(ctx, r)
	if err != nil {
		s.Outcome, s.Error = Failed, err.Error()
		return pause, true
	}
	s.Code = resp.StatusCode
	switch {
	case s.Code < 300:
		s.Outcome = Acked
		if r.answer != nil {
			if err := json.Unmarshal(raw, r.answer); err != nil {
				s.Outcome, s.Error = Failed, fmt.Sprintf("read the answer: %v", err)
			}
		}
		return 0, false
	case s.Code == http.StatusNotFound:
		s.Outcome = Missing
	case s.Code < 500 && s.Code != http.StatusTooManyRequests:
		s.Outcome = Rejected
	default:
		s.Outcome, wait, again = Unavailable, retryAfter(resp.Header), true
	}
	s.Error = said(raw)
	return wait, again
}

func (f *fleet) do(ctx context.Context, r request) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, fmt.Errorf("make the request: %w", err)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.robot != "" {
		req.Header.Set(api.HeaderRobotID, header(r.robot))
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // names the request
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	return resp, raw, nil
}

func said(raw []byte) string {
	var e api.Error
	if json.Unmarshal(raw, &e) == nil && e.Error != "" {
		return e.Error
	}
	return string(raw[:min(len(raw), 200)])
}

func retryAfter(h http.Header) time.Duration {
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, longestPause)
	}
	return pause
}

// header is a key as a header can carry it.
func header(key string) string {
	return strconv.QuoteToASCII(key)[1 : len(strconv.QuoteToASCII(key))-1]
}

// sleep says whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
