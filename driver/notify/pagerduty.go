package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type pagerParams struct {
	Key     string        `param:"routing-key,required" doc:"The integration key of a service (Events API v2)."`
	URL     string        `param:"url" doc:"Where events go; in Europe https://events.eu.pagerduty.com/v2/enqueue." default:"https://events.pagerduty.com/v2/enqueue"`
	Timeout time.Duration `param:"timeout" doc:"How long an answer may take." default:"10s"`
}

const pagerURL = "https://events.pagerduty.com/v2/enqueue"

// Validate implements what types cannot say.
func (p pagerParams) Validate() error {
	return errors.Join(secretly("routing-key", p.Key), posts("url", p.URL))
}

// Reaches says whom it can tell.
func (p pagerParams) Reaches(to []string) error {
	if len(to) > 0 {
		return &runbook.FieldError{Field: "to", Problem: "PagerDuty knows whom it tells: the service of the routing key", Remedy: "leave it out"}
	}
	return nil
}

// PagerDuty opens, acknowledges and closes incidents of one service.
type PagerDuty struct {
	*poster
	key string
}

func pagerPart() driver.Part {
	return driver.Connects(driver.About{Name: "pagerduty", Doc: "A service of PagerDuty, by its Events API v2. It is told of incidents only: of what goes wrong, that somebody sees to it, and that it is over."},
		func(_ context.Context, p pagerParams) (*PagerDuty, error) { return newPagerDuty(p) })
}

func newPagerDuty(p pagerParams) (*PagerDuty, error) {
	if p.URL == "" {
		p.URL = pagerURL
	}
	post, err := newPoster(p.URL, p.Timeout)
	if err != nil {
		return nil, fmt.Errorf("pagerduty: %w", err)
	}
	return &PagerDuty{post, p.Key}, nil
}

// Incidents marks it as a driver.Pager.
func (*PagerDuty) Incidents() {}

// pagerEvent is the body of an event.
type pagerEvent struct {
	RoutingKey string        `json:"routing_key"`
	Action     string        `json:"event_action"`
	DedupKey   string        `json:"dedup_key"`
	Payload    *pagerPayload `json:"payload,omitempty"` // of a trigger
	Client     string        `json:"client,omitempty"`
}

type pagerPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp"`
	Component string            `json:"component,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

var (
	pagerAction   = map[driver.Turn]string{driver.Opens: "trigger", driver.Acknowledged: "acknowledge", driver.Closes: "resolve"}
	pagerSeverity = map[string]string{"P1": "critical", "P2": "error", "P3": "warning", "P4": "info"}
)

const (
	pagerMostSummary = 1024
	pagerMostKey     = 255
)

// Tell opens, acknowledges or closes the notice's incident. The same event
// again changes nothing.
func (s *PagerDuty) Tell(ctx context.Context, n driver.Notice, _, _ string) (string, error) {
	action, ok := pagerAction[n.Turn]
	if !ok || n.Incident == "" {
		return "", &driver.Undelivered{Err: errors.New("it is no incident"), Never: true}
	}
	ev := pagerEvent{RoutingKey: s.key, Action: action, DedupKey: dedupKey(n)}
	if n.Turn == driver.Opens {
		ev.Client = "Segue"
		ev.Payload = &pagerPayload{
			Summary: cut(n.Title, pagerMostSummary), Source: "segue run " + n.Run, Severity: pagerSeverity[n.Severity],
			Timestamp: n.At.UTC().Format(time.RFC3339Nano), Component: n.Runbook, Class: n.Topic,
			Details: map[string]string{"run": n.Run, "runbook": n.Runbook, "severity": n.Severity, "text": n.Text},
		}
		if n.Contact != nil {
			ev.Payload.Details["contact"] = n.Contact.Name
		}
	}
	_, err := s.post(ctx, ev, nil)
	return "", err
}

// dedupKey names an incident of a run.
func dedupKey(n driver.Notice) string {
	key := "segue/" + n.Run + "/" + n.Incident
	if len(key) <= pagerMostKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "segue/" + n.Run + "/" + hex.EncodeToString(sum[:])
}
