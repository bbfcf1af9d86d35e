package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type webhookParams struct {
	URL     string            `param:"url,required" doc:"Where notices are posted to, as JSON."`
	Secret  string            `param:"secret" doc:"What signs them: Segue-Signature is sha256= and the HMAC-SHA256, in hex, of Segue-Timestamp, a dot and the body."`
	Headers map[string]string `param:"headers" doc:"Headers to send, such as Authorization."`
	Timeout time.Duration     `param:"timeout" doc:"How long an answer may take." default:"10s"`
}

// Validate implements what types cannot say.
func (p webhookParams) Validate() error {
	return errors.Join(secretly("secret", p.Secret), posts("url", p.URL))
}

// Reaches says whom it can tell.
func (p webhookParams) Reaches(to []string) error {
	if len(to) > 0 {
		return &runbook.FieldError{Field: "to", Problem: "a webhook tells whoever is behind its url", Remedy: "leave it out"}
	}
	return nil
}

// A Webhook posts notices.
type Webhook struct {
	*poster
	p   webhookParams
	now func() time.Time
}

func webhookPart() driver.Part {
	return driver.Connects(driver.About{Name: "webhook", Doc: "Anybody who takes notices as JSON over HTTP."},
		func(_ context.Context, p webhookParams) (*Webhook, error) { return newWebhook(p) })
}

func newWebhook(p webhookParams) (*Webhook, error) {
	post, err := newPoster(p.URL, p.Timeout)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Webhook{post, p, time.Now}, nil
}

// webhookBody is the form of a notice; keys are only ever added.
type webhookBody struct {
	Key      string          `json:"key"`
	Run      string          `json:"run,omitempty"`
	Runbook  string          `json:"runbook"`
	Topic    string          `json:"topic"`
	Severity string          `json:"severity"`
	At       time.Time       `json:"at"`
	Title    string          `json:"title"`
	Text     string          `json:"text,omitempty"`
	Incident string          `json:"incident,omitempty"`
	Turn     driver.Turn     `json:"turn,omitempty"`
	Contact  *driver.Contact `json:"contact,omitempty"`
}

// Tell posts the notice.
func (s *Webhook) Tell(ctx context.Context, n driver.Notice, _, _ string) (string, error) {
	text, err := json.Marshal(webhookBody{n.Key, n.Run, n.Runbook, n.Topic, n.Severity, n.At.UTC(), n.Title, n.Text, n.Incident, n.Turn, n.Contact})
	if err != nil {
		return "", fmt.Errorf("encode the notice: %w", err)
	}
	head := http.Header{}
	for name, value := range s.p.Headers {
		head.Set(name, value)
	}
	head.Set("Idempotency-Key", n.Key)
	if s.p.Secret != "" {
		at := strconv.FormatInt(s.now().Unix(), 10)
		head.Set("Segue-Timestamp", at)
		head.Set("Segue-Signature", "sha256="+sign(s.p.Secret, at, text))
	}
	_, err = s.send(ctx, text, head)
	return "", err
}

// sign covers the time, so that a signature cannot be used again later.
func sign(secret, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
