package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

func ingestHealth(ctx context.Context, p *probe) error {
	return attempt(ctx, func(ctx context.Context) error {
		m, err := p.send(ctx, hrv, aReading)
		if err != nil {
			return err
		}
		code, raw, err := p.get(ctx, p.IngestURL+"/health")
		if err != nil {
			return err
		}
		var h struct {
			Status   string            `json:"status"`
			EventBus string            `json:"eventBus"`
			Version  string            `json:"version"`
			Streams  map[string]string `json:"streams"`
		}
		if err := json.Unmarshal(raw, &h); err != nil {
			return fmt.Errorf("GET /health: %d, and a body that is no health: %.200q", code, raw)
		}
		switch {
		case code != http.StatusOK || h.Status != "healthy" || h.EventBus != "connected" || h.Version == "":
			return fmt.Errorf("GET /health: %d %s, want 200, healthy, connected, with a version", code, raw)
		case h.Streams[event.SubjectHRV] != m.stream: // or a later message of the load went elsewhere
			return fmt.Errorf("GET /health: %s is taken by %q, and %s has just acknowledged", event.SubjectHRV, h.Streams[event.SubjectHRV], m.stream)
		}
		return nil
	})
}

func ingestMetrics(ctx context.Context, p *probe) error {
	url := p.IngestURL + "/metrics"
	return attempt(ctx, func(ctx context.Context) error {
		before, err := p.metrics(ctx, url)
		if err != nil {
			return err
		}
		m, err := p.send(ctx, hrv, aReading)
		if err != nil {
			return err
		}
		after, err := p.metrics(ctx, url)
		if err != nil {
			return err
		}
		for _, s := range []series{
			{"ingest_requests_total", labels{"kind": "hrv", "status": "202"}},
			{"ingest_published_total", labels{"subject": event.SubjectHRV, "stream": m.stream}},
			{"ingest_request_duration_seconds", labels{"kind": "hrv", "route": hrv.path}},
		} {
			if err := grown(before, after, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func hrvStored(ctx context.Context, p *probe) error   { return storedAsSent(ctx, p, hrv, aReading) }
func sleepStored(ctx context.Context, p *probe) error { return storedAsSent(ctx, p, sleep, aNight) }
func ouraStored(ctx context.Context, p *probe) error  { return storedAsSent(ctx, p, oura, aWebhook) }

func storedAsSent(ctx context.Context, p *probe, k kind, body func(string) []byte) error {
	m, err := p.sendToOwner(ctx, k, body)
	if err != nil {
		return err
	}
	return p.asSent(ctx, m)
}

func hrvUserNamed(ctx context.Context, p *probe) error {
	return p.refused(ctx, hrv, "userId", map[string]string{
		"no user":           `{"date":"2025-10-01","rmssd":42}`,
		"an empty user":     `{"userId":"","date":"2025-10-01","rmssd":42}`,
		"a user of a kind":  `{"userId":7,"date":"2025-10-01","rmssd":42}`,
		"a user of 200 'a'": `{"userId":"` + p.name() + strings.Repeat("a", 200) + `","date":"2025-10-01","rmssd":42}`,
	})
}

func hrvDateNamed(ctx context.Context, p *probe) error {
	user := p.name()
	return p.refused(ctx, hrv, "date", map[string]string{
		"no date":                    `{"userId":"` + user + `","rmssd":42}`,
		"a date that does not exist": `{"userId":"` + user + `","date":"2025-02-30","rmssd":42}`,
		"a date of another form":     `{"userId":"` + user + `","date":"01.10.2025","rmssd":42}`,
	})
}

func hrvRMSSDNamed(ctx context.Context, p *probe) error {
	user := p.name()
	return p.refused(ctx, hrv, "rmssd", map[string]string{
		"no rmssd":         `{"userId":"` + user + `","date":"2025-10-01"}`,
		"an rmssd of 0":    `{"userId":"` + user + `","date":"2025-10-01","rmssd":0}`,
		"a negative rmssd": `{"userId":"` + user + `","date":"2025-10-01","rmssd":-42}`,
		"an rmssd as text": `{"userId":"` + user + `","date":"2025-10-01","rmssd":"42"}`,
	})
}

func sleepDurationNamed(ctx context.Context, p *probe) error {
	user := p.name()
	return p.refused(ctx, sleep, "durationMinutes", map[string]string{
		"no duration":             `{"userId":"` + user + `","date":"2025-10-01"}`,
		"a negative duration":     `{"userId":"` + user + `","date":"2025-10-01","durationMinutes":-1}`,
		"a night of over a day":   `{"userId":"` + user + `","date":"2025-10-01","durationMinutes":1441}`,
		"a duration that is text": `{"userId":"` + user + `","date":"2025-10-01","durationMinutes":"450"}`,
	})
}

func hrvRepeatOnce(ctx context.Context, p *probe) error {
	return repeatOnce(ctx, p, hrv, aReading, http.StatusAccepted)
}

func ouraRepeatOnce(ctx context.Context, p *probe) error {
	return repeatOnce(ctx, p, oura, aWebhook, http.StatusOK)
}

func repeatOnce(ctx context.Context, p *probe, k kind, body func(string) []byte, code int) error {
	m, err := p.send(ctx, k, body)
	if err != nil {
		return err
	}
	ans, err := p.post(ctx, k, m.id, m.body)
	if err != nil {
		return err
	}
	if ans.code != code || ans.Status != "duplicate" || !ans.Duplicate || ans.ID != m.id {
		return fmt.Errorf("POST %s again: %s, want %d and duplicate", k.path, ans, code)
	}
	return p.storedOnce(ctx, m)
}

func ouraSignature(ctx context.Context, p *probe) error {
	body := aWebhook(p.name())
	for what, signature := range map[string]string{
		"no signature":               "",
		"a signature of no hex":      "zz",
		"one of another secret":      event.Sign(p.OuraSecret+"x", body),
		"one of another body":        event.Sign(p.OuraSecret, append([]byte(" "), body...)),
		"the right one, cut in half": event.Sign(p.OuraSecret, body)[:32],
	} {
		ans, err := p.postSigned(ctx, oura, p.name(), body, signature)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ans.code != http.StatusUnauthorized || ans.Status != "unauthorized" {
			return fmt.Errorf("%s: %s, want 401", what, ans)
		}
	}
	return nil
}

func bodyRefused(ctx context.Context, p *probe) error {
	user := p.name()
	return p.refused(ctx, hrv, "body", map[string]string{
		"no body":                    ``,
		"no JSON":                    `{"userId":`,
		"two objects":                string(aReading(user)) + string(aReading(user)),
		"more than ingest will read": `{"userId":"` + user + `","date":"2025-10-01","rmssd":42,"x":"` + strings.Repeat("x", 300<<10) + `"}`,
	})
}

func methodRefused(ctx context.Context, p *probe) error {
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, hrv.path, http.StatusMethodNotAllowed},
		{http.MethodPut, sleep.path, http.StatusMethodNotAllowed},
		{http.MethodDelete, oura.path, http.StatusMethodNotAllowed},
		{http.MethodPost, "/api/v1/ingest/nothing", http.StatusNotFound},
		{http.MethodPost, "/health", http.StatusMethodNotAllowed},
	} {
		err := await(ctx, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, tt.method, p.IngestURL+tt.path, nil)
			if err != nil {
				return err
			}
			code, _, err := p.call(req)
			if err == nil && code != tt.code {
				err = final("%s %s: %d, want %d", tt.method, tt.path, code, tt.code)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
