package notifytest

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// PagerDuty is the Events API v2, for one routing key.
// See https://developer.pagerduty.com/docs/send-alert-event.
func PagerDuty(t testing.TB, key string) *Receiver {
	t.Helper()
	return receiver(t, func(w http.ResponseWriter, r Request) bool {
		if problems := invalidEvent(r.Body, key); len(problems) > 0 {
			answer(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": problems})
			return false
		}
		answer(w, http.StatusAccepted, map[string]any{"status": "success", "message": "Event processed", "dedup_key": r.Body["dedup_key"]})
		return true
	})
}

func invalidEvent(e map[string]any, key string) (problems []string) {
	say := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	known := []string{"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
	for k := range e {
		if !slices.Contains(known, k) {
			say("'%s' is not permitted", k)
		}
	}
	if text(e, "routing_key") != key {
		say("Invalid routing key")
	}
	action := text(e, "event_action")
	if !slices.Contains([]string{"trigger", "acknowledge", "resolve"}, action) {
		say("'event_action' is invalid (must be one of the following values: trigger, acknowledge, resolve)")
	}
	if dedup := text(e, "dedup_key"); len(dedup) > 255 || dedup == "" && action != "trigger" {
		say("'dedup_key' is missing or too long")
	}
	if action != "trigger" {
		return problems
	}
	p, ok := e["payload"].(map[string]any)
	if !ok {
		say("'payload' is missing or blank")
		return problems
	}
	for _, k := range []string{"summary", "source", "severity"} {
		if text(p, k) == "" {
			say("'payload.%s' is missing or blank", k)
		}
	}
	if len([]rune(text(p, "summary"))) > 1024 {
		say("'payload.summary' is too long")
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, text(p, "severity")) {
		say("'payload.severity' is invalid (must be one of the following values: critical, warning, error or info)")
	}
	if at := text(p, "timestamp"); at != "" {
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			say("'payload.timestamp' is invalid")
		}
	}
	return problems
}
