package notifytest

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// SlackHook is an incoming webhook of Slack.
// See https://api.slack.com/messaging/webhooks.
func SlackHook(t testing.TB) *Receiver {
	t.Helper()
	return receiver(t, func(w http.ResponseWriter, r Request) bool {
		if text(r.Body, "text") == "" {
			http.Error(w, "no_text", http.StatusBadRequest)
			return false
		}
		if r.Body["channel"] != nil {
			http.Error(w, "channel_not_found", http.StatusNotFound) // an app's hook has one channel
			return false
		}
		fmt.Fprint(w, "ok")
		return true
	})
}

// SlackAPI is chat.postMessage of Slack's Web API: for one token, in some
// channels. See https://api.slack.com/methods/chat.postMessage.
func SlackAPI(t testing.TB, token string, channels ...string) *Receiver {
	t.Helper()
	threads := map[string]bool{}
	return receiver(t, func(w http.ResponseWriter, r Request) bool {
		refuse := func(why string) bool {
			answer(w, http.StatusOK, map[string]any{"ok": false, "error": why})
			return false
		}
		thread := text(r.Body, "thread_ts")
		switch {
		case r.Path != "/chat.postMessage":
			return refuse("unknown_method")
		case r.Header.Get("Authorization") == "":
			return refuse("not_authed")
		case r.Header.Get("Authorization") != "Bearer "+token:
			return refuse("invalid_auth")
		case !slices.Contains(channels, text(r.Body, "channel")):
			return refuse("channel_not_found")
		case text(r.Body, "text") == "":
			return refuse("no_text")
		case thread != "" && !threads[thread]:
			return refuse("thread_not_found")
		}
		ts := fmt.Sprintf("1503435956.%06d", len(threads)+1)
		threads[ts] = true
		answer(w, http.StatusOK, map[string]any{"ok": true, "channel": "C024BE91L", "ts": ts})
		return true
	})
}
