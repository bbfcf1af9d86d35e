package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/ingest"
)

// kind is one of ingest's three routes.
type kind struct{ path, subject string }

var (
	hrv   = kind{"/api/v1/ingest/hrv", event.SubjectHRV}
	sleep = kind{"/api/v1/ingest/sleep", event.SubjectSleep}
	oura  = kind{"/api/v1/webhook/oura", event.SubjectOura}
)

// answer is what ingest says.
type answer struct {
	code      int
	Status    string `json:"status"`
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate"`
	Stream    string `json:"stream"`
	Sequence  uint64 `json:"seq"`
	Field     string `json:"field"`
	Message   string `json:"message"`
}

func (a answer) String() string {
	return fmt.Sprintf("%d status=%q id=%q field=%q message=%q", a.code, a.Status, a.ID, a.Field, a.Message)
}

// post sends a body under a request id, signed as the vendor would, and tries
// again what ingest could not answer or says may be sent again.
func (p *probe) post(ctx context.Context, k kind, id string, body []byte) (answer, error) {
	return p.postSigned(ctx, k, id, body, event.Sign(p.OuraSecret, body))
}

func (p *probe) postSigned(ctx context.Context, k kind, id string, body []byte, signature string) (ans answer, err error) {
	err = await(ctx, func(ctx context.Context) error {
		ctx, done := toItsEnd(ctx)
		defer done()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.IngestURL+k.path, bytes.NewReader(body))
		if err != nil {
			return &finalError{err}
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(ingest.HeaderRequestID, id)
		if signature != "" {
			req.Header.Set(event.HeaderSignature, signature)
		}
		code, raw, err := p.call(req)
		if err != nil {
			return err
		}
		ans = answer{code: code}
		if err := json.Unmarshal(raw, &ans); err != nil {
			return final("POST %s: %d, and a body that is no answer: %.200q", k.path, code, raw)
		}
		if code >= 500 {
			return fmt.Errorf("POST %s: %s", k.path, ans)
		}
		return nil
	})
	return ans, err
}

// call returns the body whatever the status is.
func (p *probe) call(req *http.Request) (int, []byte, error) {
	resp, err := p.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	return resp.StatusCode, raw, nil
}

func (p *probe) get(ctx context.Context, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	return p.call(req)
}

// message is one that ingest has accepted.
type message struct {
	place
	body []byte
}

// send gets a message accepted for the first time. An answer that was lost leaves
// open what became of its message, so the next try is a new one.
func (p *probe) send(ctx context.Context, k kind, body func(id string) []byte) (m message, err error) {
	err = attempt(ctx, func(ctx context.Context) error {
		id := p.name()
		raw := body(id)
		ans, err := p.post(ctx, k, id, raw)
		switch {
		case err != nil:
			return err
		case ans.Duplicate:
			return errors.New("the answer to its first try was lost")
		case ans.code != http.StatusAccepted || ans.Status != "accepted" || ans.ID != id || ans.Stream == "" || ans.Sequence == 0:
			return final("POST %s: %s, want 202, accepted, with id, stream and sequence", k.path, ans)
		}
		m = message{place{k.subject, ans.Stream, ans.Sequence, id}, raw}
		p.stored(m.place)
		return nil
	})
	return m, err
}

// refused wants bodies to be refused with the status and the field's name.
func (p *probe) refused(ctx context.Context, k kind, field string, bodies map[string]string) error {
	for what, body := range bodies {
		ans, err := p.post(ctx, k, p.name(), []byte(body))
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ans.code != http.StatusBadRequest || ans.Status != "invalid" || ans.Field != field || ans.Message == "" {
			return fmt.Errorf("%s: %s, want 400, invalid, with field %q and a message", what, ans, field)
		}
	}
	return nil
}
