package acceptance_test

import (
	"mime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/driver/notify/notifytest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
)

// receivers are all whom the runbook tells, by what it calls them.
type receivers struct {
	slack map[string]*notifytest.Receiver // by the variable of the hook
	pager *notifytest.Receiver
	box   *notifytest.MailServer
	ca    string
}

const (
	alertsHook      = "SLACK_MIGRATION_ALERTS"
	engineeringHook = "SLACK_ENGINEERING"
	onCallHook      = "SLACK_ON_CALL"
	platformHook    = "SLACK_ON_CALL_PLATFORM"
	routingKey      = "R0UT1NGK3YMIGRAT10N0NCALL"
	team            = "migration-team@lekiwi.com"
)

func listen(t *testing.T) (r receivers, env []string) {
	t.Helper()
	r = receivers{slack: map[string]*notifytest.Receiver{}, pager: notifytest.PagerDuty(t, routingKey)}
	for _, hook := range []string{alertsHook, engineeringHook, onCallHook, platformHook} {
		r.slack[hook] = notifytest.SlackHook(t)
		env = append(env, hook+"="+r.slack[hook].URL+"/services/T0/B0/xoPq3rStUvWxYz")
	}
	config, ca := notifytest.Certificate(t)
	r.box, r.ca = notifytest.Mailbox(t, config, "segue", "pa55word"), ca
	return r, append(env, "SMTP_SERVER="+r.box.Addr, "SMTP_USER=segue", "SMTP_PASSWORD=pa55word", "PAGERDUTY_MIGRATION_ONCALL="+routingKey)
}

// heard reports whether a receiver was told this: a hook, the pager, or who has
// an address.
func (r receivers) heard(whom, what string) bool {
	if strings.Contains(whom, "@") {
		return slices.ContainsFunc(r.box.Taken(), func(m notifytest.Mail) bool {
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			return err == nil && m.To[0] == whom && strings.Contains(subject+"\n"+m.Body, what)
		})
	}
	from := r.pager
	if hook := r.slack[whom]; hook != nil {
		from = hook
	}
	for _, q := range from.Taken() {
		if strings.Contains(string(q.Raw), what) {
			return true
		}
	}
	return false
}

func (r receivers) await(t *testing.T, what string, whom ...string) {
	t.Helper()
	for _, who := range whom {
		runtest.Await(t, time.Minute, who+" to hear "+what, func() bool { return r.heard(who, what) })
	}
}

// One migration tells everybody whom the seeds name, by their own protocols: that
// it comes, how it stands, what goes wrong, what somebody has to say, and who sees
// to it.
func TestEverybodyIsTold(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	r, env := listen(t)
	w.segue.Env = append(w.segue.Env, env...)
	inputs := set("tell=true", "escalate=true", "update-every=2s", "mail-ca="+r.ca, "pager-url="+r.pager.URL, "canary-soak=10m", "dead-for=1s")
	w.burden(t, 200, 60, 40)

	w.segue.Must(t, 0, append([]string{"announce", runbookFile()}, inputs...)...)
	r.await(t, "[MAINTENANCE] Lekiwi Heartbeat migration", engineeringHook)

	run := w.segue.Begin(t, runbookFile(), inputs...)
	run.Gate("canary")
	r.await(t, "run of lekiwi-heartbeat made by ann", alertsHook, engineeringHook, team)
	r.await(t, "Consumer lag: ", alertsHook, engineeringHook)
	runtest.Await(t, time.Minute, "an update with all figures", func() bool {
		for _, q := range r.slack[alertsHook].Taken() {
			text, _ := q.Body["text"].(string)
			if strings.Contains(text, ": canary\n") && strings.Contains(text, "Database inserts: ") && !strings.Contains(text, "unknown") {
				t.Log(text)
				return true
			}
		}
		return false
	})

	runtest.Check(t, w.sys.StopProcess(t.Context(), system.Instance(system.Teleoperation, 0)))
	run.Until("the guard", runtest.Is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	r.await(t, "guard teleoperation-at-10", alertsHook, onCallHook, platformHook, team, "the pager")
	r.await(t, "CRITICAL: rolling back to the start of phase canary", team)
	rolledBack(t, run, "canary_10")
	const alert = "CRITICAL: Migration failed, emergency rollback initiated"
	got := w.segue.Must(t, 0, append([]string{"alert", runbookFile(), alert, "--as", "dora"}, inputs...)...)
	for _, whom := range []string{alertsHook, engineeringHook, onCallHook, platformHook, team, "the pager"} {
		if !r.heard(whom, alert) {
			t.Errorf("%s has not heard the alert:\n%s", whom, got)
		}
	}
	w.segue.Must(t, 0, "ack", "--run", run.ID, "--as", "dora", "--note", "on it")
	r.await(t, "ack by dora", alertsHook)
	run.End(3)
	if status := w.segue.Must(t, 0, "status", run.ID); strings.Contains(status.String(), "not delivered") {
		t.Errorf("somebody was not told:\n%s", status)
	}
}
