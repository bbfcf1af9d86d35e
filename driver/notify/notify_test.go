package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/notify/notifytest"
)

func noticeOf(severity string) driver.Notice {
	return driver.Notice{
		Key: "01RUN/7", Run: "01RUN", Runbook: "lekiwi", Topic: "guard", Severity: severity,
		At: time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC), Title: "lekiwi: guard errors fires", Text: "guard errors fires: 2 % < 1 % & \"more\"",
		Incident: "guard/errors", Turn: driver.Opens,
	}
}

func undelivered(t *testing.T, err error) *driver.Undelivered {
	t.Helper()
	var un *driver.Undelivered
	if !errors.As(err, &un) {
		t.Fatalf("%v says nothing of whether to try again", err)
	}
	return un
}

func TestASlackWebhookIsTold(t *testing.T) {
	r := notifytest.SlackHook(t)
	s, err := newSlack(slackParams{Webhook: r.URL + "/services/T0/B0/sEcReT", Channel: "#alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := noticeOf("P1")
	n.Contact = &driver.Contact{Name: "Ada Lind", Phone: "+49 30 23125 101", Slack: "U024BE7LH"}
	if _, err := s.Tell(t.Context(), n, "", ""); err != nil {
		t.Fatal(err)
	}
	want := ":rotating_light: *lekiwi: guard errors fires*\nguard errors fires: 2 % &lt; 1 % &amp; \"more\"\n<@U024BE7LH>"
	if got := r.Taken(); len(got) != 1 || got[0].Body["text"] != want || got[0].Path != "/services/T0/B0/sEcReT" {
		t.Errorf("taken: %+v", got)
	}
	// It answers as Slack does.
	for _, c := range []struct {
		fail  func(http.ResponseWriter)
		never bool
		after time.Duration
	}{
		{notifytest.Status(429, "30", "rate_limited"), false, 30 * time.Second},
		{notifytest.Status(500, "", "rollup_error"), false, 0},
		{notifytest.Status(503, "", ""), false, 0},
		{notifytest.Status(404, "", "no_service"), true, 0},
		{notifytest.Status(403, "", "invalid_token"), true, 0},
		{notifytest.Status(410, "", "channel_is_archived"), true, 0},
		{notifytest.Status(302, "", ""), true, 0},
	} {
		r.Fail(c.fail)
		_, err := s.Tell(t.Context(), n, "", "")
		if un := undelivered(t, err); un.Never != c.never || un.After != c.after {
			t.Errorf("%v: %+v", err, un)
		}
		if strings.Contains(err.Error(), "sEcReT") || strings.Contains(err.Error(), "services") {
			t.Errorf("the error shows the URL: %v", err)
		}
	}
}

func TestARunIsAThreadInSlack(t *testing.T) {
	r := notifytest.SlackAPI(t, "xoxb-1", "#alerts", "U024BE7LH")
	s, err := newSlack(slackParams{Token: "xoxb-1", API: r.URL, Channel: "#alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first, err := s.Tell(t.Context(), noticeOf("P4"), "", "")
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	for _, severity := range []string{"P4", "P1"} {
		if thread, err := s.Tell(t.Context(), noticeOf(severity), "", first); err != nil || thread != first {
			t.Errorf("%q, %v", thread, err)
		}
	}
	got := r.Taken()
	if got[0].Body["thread_ts"] != nil || got[1].Body["thread_ts"] != first || got[1].Body["reply_broadcast"] != nil || got[2].Body["reply_broadcast"] != true {
		t.Errorf("taken: %+v", got)
	}
	if _, err := s.Tell(t.Context(), noticeOf("P1"), "U024BE7LH", ""); err != nil {
		t.Errorf("a member: %v", err)
	}
	_, err = s.Tell(t.Context(), noticeOf("P1"), "#gone", "")
	if un := undelivered(t, err); !un.Never || !strings.Contains(err.Error(), "channel_not_found") {
		t.Errorf("no such channel: %v", err)
	}
	r.Fail(notifytest.Status(200, "", `{"ok":false,"error":"internal_error"}`), notifytest.Status(429, "2", `{"ok":false,"error":"ratelimited"}`))
	if _, err = s.Tell(t.Context(), noticeOf("P1"), "", ""); undelivered(t, err).Never {
		t.Errorf("an error that passes: %v", err)
	}
	if _, err = s.Tell(t.Context(), noticeOf("P1"), "", ""); undelivered(t, err).After != 2*time.Second {
		t.Errorf("too much: %v", err)
	}
	wrong, err := newSlack(slackParams{Token: "xoxb-2", API: r.URL, Channel: "#alerts"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = wrong.Tell(t.Context(), noticeOf("P1"), "", ""); !undelivered(t, err).Never || strings.Contains(err.Error(), "xoxb") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestPagerDutyKeepsOneIncident(t *testing.T) {
	const key = "R0UT1NGK3Y"
	r := notifytest.PagerDuty(t, key)
	s, err := newPagerDuty(pagerParams{Key: key, URL: r.URL + "/v2/enqueue"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	long := noticeOf("P1")
	long.Title, long.Incident = strings.Repeat("ü", 2000), "guard/"+strings.Repeat("x", 300)
	for _, n := range []driver.Notice{noticeOf("P2"), long} {
		for _, turn := range []driver.Turn{driver.Opens, driver.Opens, driver.Acknowledged, driver.Closes} {
			n.Turn = turn
			if _, err := s.Tell(t.Context(), n, "", ""); err != nil {
				t.Fatalf("%s: %v", turn, err)
			}
		}
	}
	var actions []string
	for _, e := range r.Taken()[:4] {
		actions = append(actions, e.Body["event_action"].(string)+" "+e.Body["dedup_key"].(string))
	}
	if got := strings.Join(actions, ", "); got != "trigger segue/01RUN/guard/errors, trigger segue/01RUN/guard/errors, acknowledge segue/01RUN/guard/errors, resolve segue/01RUN/guard/errors" {
		t.Error(got)
	}
	if p := r.Taken()[0].Body["payload"].(map[string]any); p["severity"] != "error" || p["component"] != "lekiwi" {
		t.Errorf("payload: %v", p)
	}
	news := noticeOf("P1")
	news.Turn, news.Incident = "", ""
	if _, err := s.Tell(t.Context(), news, "", ""); !undelivered(t, err).Never {
		t.Errorf("news: %v", err)
	}
	r.Fail(notifytest.Status(429, "5", `{"status":"throttle exceeded"}`), notifytest.Status(500, "", ""))
	if _, err := s.Tell(t.Context(), noticeOf("P1"), "", ""); undelivered(t, err).After != 5*time.Second {
		t.Errorf("throttled: %v", err)
	}
	if _, err := s.Tell(t.Context(), noticeOf("P1"), "", ""); undelivered(t, err).Never {
		t.Errorf("500: %v", err)
	}
	wrong, err := newPagerDuty(pagerParams{Key: "another", URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Tell(t.Context(), noticeOf("P1"), "", ""); !undelivered(t, err).Never || !strings.Contains(err.Error(), "Invalid routing key") {
		t.Errorf("a wrong key: %v", err)
	}
}

func TestAWebhookIsSigned(t *testing.T) {
	r := notifytest.Webhook(t)
	s, err := newWebhook(webhookParams{URL: r.URL + "/in", Secret: "hush", Headers: map[string]string{"authorization": "Bearer x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Tell(t.Context(), noticeOf("P1"), "", ""); err != nil {
		t.Fatal(err)
	}
	got := r.Taken()[0]
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write([]byte(got.Header.Get("Segue-Timestamp") + "."))
	mac.Write(got.Raw)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got.Header.Get("Segue-Signature") != want {
		t.Errorf("signed %s, want %s", got.Header.Get("Segue-Signature"), want)
	}
	if got.Header.Get("Idempotency-Key") != "01RUN/7" || got.Header.Get("Authorization") != "Bearer x" || got.Body["turn"] != "opens" || got.Body["severity"] != "P1" || got.Body["at"] != "2026-11-26T06:00:00Z" {
		t.Errorf("taken: %v %v", got.Header, got.Body)
	}
	plain, err := newWebhook(webhookParams{URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Tell(t.Context(), noticeOf("P1"), "", ""); err != nil || r.Taken()[1].Header.Get("Segue-Signature") != "" {
		t.Errorf("without a secret: %v, %v", err, r.Taken()[1].Header)
	}
}

func TestAReceiverThatIsNotThere(t *testing.T) {
	s, err := newWebhook(webhookParams{URL: "http://127.0.0.1:1/path/sEcReT?key=sEcReT", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Tell(t.Context(), noticeOf("P1"), "", "")
	var un *driver.Undelivered
	if err == nil || errors.As(err, &un) || strings.Contains(err.Error(), "sEcReT") {
		t.Errorf("%v", err)
	}
}

func TestSecretsOfAWorkspaceStandInNoRunbook(t *testing.T) {
	for name, err := range map[string]error{
		"webhook":     slackParams{Webhook: "https://hooks.slack.com/services/T/B/x"}.Validate(),
		"token":       slackParams{Token: "xoxb-1"}.Validate(),
		"routing-key": pagerParams{Key: "abc"}.Validate(),
		"secret":      webhookParams{URL: "https://h/x", Secret: "abc"}.Validate(),
		"password":    mailParams{Server: "h:25", From: "a@b", User: "u", Password: "p"}.Validate(),
	} {
		if err == nil || !strings.Contains(err.Error(), name+": a secret does not belong in a runbook") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (slackParams{Webhook: "${SLACK}"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-3": 0, "12": 12 * time.Second, "99999999": maxWait,
		"Thu, 26 Nov 2026 06:00:30 GMT": 30 * time.Second, "Thu, 26 Nov 2026 05:00:30 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
