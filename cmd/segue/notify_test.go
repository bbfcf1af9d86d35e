package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/notify/notifytest"
)

// receivers are all those whom the runs of these tests tell.
type receivers struct {
	slack, pager, hook *notifytest.Receiver
	box                *notifytest.MailServer
}

const (
	slackSecret = "xoPq3rStUvWxYz0123456789"
	pagerSecret = "R0UT1NGK3Y4TESTS"
	hookSecret  = "s1gn-w1th-th1s"
)

func newReceivers(t *testing.T, c *cli) receivers {
	t.Helper()
	r := receivers{notifytest.SlackHook(t), notifytest.PagerDuty(t, pagerSecret), notifytest.Webhook(t), notifytest.Mailbox(t, nil, "", "")}
	c.env = append(c.env, "SLACK_HOOK="+r.slack.URL+"/services/T0/B0/"+slackSecret, "PAGER_KEY="+pagerSecret, "HOOK_SECRET="+hookSecret)
	return r
}

// toldRunbook writes a runbook whose guard fires when a file is gone.
func (c *cli) toldRunbook(r receivers, guard, gate string) (watched string) {
	c.t.Helper()
	watched = c.file("watched", "here\n")
	c.file("a", "old\n")
	c.file("told.yaml", fmt.Sprintf(`segue: v1
name: told
connections:
  alerts: {slack: {webhook: "${SLACK_HOOK}", channel: "#migration-alerts"}}
  pager:  {pagerduty: {routing-key: "${PAGER_KEY}", url: "%s"}}
  hook:   {webhook: {url: "%s", secret: "${HOOK_SECRET}"}}
  mail:   {smtp: {server: "%s", from: segue@lekiwi.com, tls: none}}
contacts:
  on-call:  {name: Ada Lind, phone: "+49 30 23125 101", email: ada.lind@lekiwi.com}
  director: {name: Bo Sund, phone: "+49 30 23125 102", email: bo.sund@lekiwi.com}
notify:
  - {on: alerts}
  - {on: pager, severity: P2}
  - {on: hook}
  - {on: mail, to: [migration-team@lekiwi.com], about: [rollback, run], severity: P2, template: emergency}
escalation:
  path:
    - {after: 0s, contact: on-call, via: [mail, pager]}
    - {after: 500ms, contact: director, via: [mail]}
  again: 1h
templates:
  emergency: "CRITICAL: {{.Event}}\n\n{{.Why}} is {{verdict \"is-here\"}}"
checks:
  is-here: {exec.check: {argv: [cat, "%s"]}}
  is-old:  {exec.check: {argv: [grep, -q, old, a], dir: "%s"}}
guards:
  - {check: is-here, do: %s, every: 250ms, severity: P1}
phases:
  - name: only
    steps:
      - name: Write it
        exec: {do: [sh, -c, "echo new > a"], undo: [sh, -c, "echo old > a"], observe: [cat, a], want: new, dir: "%s"}
    gate: {hold: [is-here], for: %s, every: 250ms}
    rollback: {verify: {checks: [is-old]}}
`, r.pager.URL, r.hook.URL, r.box.Addr, watched, c.dir, guard, c.dir, gate))
	return watched
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (r receivers) mails() (out []string) {
	for _, m := range r.box.Taken() {
		out = append(out, m.To[0]+": "+m.Header.Get("Subject"))
	}
	return out
}

func (r receivers) mailed(to, subject string) bool {
	for _, m := range r.mails() {
		if strings.HasPrefix(m, to+": ") && strings.Contains(m, subject) {
			return true
		}
	}
	return false
}

// A guard fires, and the run is put back; the whole path is called until somebody
// acknowledges. A chat that fails twice is told in the end, and holds up
// neither the rollback nor anybody else.
func TestPeopleAreToldUntilSomebodyAcknowledges(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	r := newReceivers(t, c)
	watched := c.toldRunbook(r, "rollback, to: start", "1h")
	r.slack.Fail(notifytest.Status(500, "", "rollup_error"), notifytest.Status(429, "1", "rate_limited"))
	cmd := c.command("run", "told.yaml", "--plain")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(90*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	within(t, "the gate is told of", func() bool { return heardOf(r.hook, "gate of phase only: its time runs") })
	if err := os.Remove(watched); err != nil {
		t.Fatal(err)
	}
	within(t, "the director is called", func() bool { return r.mailed("bo.sund@lekiwi.com", "director is told") })
	status := c.run("status")
	for _, want := range []string{"nobody has acknowledged since", "→ segue ack", "on-call   Ada Lind  +49 30 23125 101, ada.lind@lekiwi.com"} {
		if !strings.Contains(status.out, want) {
			t.Errorf("status does not say %q:\n%s", want, status.out)
		}
	}
	if text, err := os.ReadFile(filepath.Join(c.dir, "a")); err != nil || string(text) != "old\n" {
		t.Errorf("the rollback waits: %q, %v", text, err)
	}
	if res := c.runWith([]string{"SEGUE_ACTOR=bo"}, "ack", "--note", "on it"); res.code != codeDone {
		t.Fatalf("ack: %d %s", res.code, res.err)
	}
	_ = cmd.Wait() // its exit code is looked at below
	if code := cmd.ProcessState.ExitCode(); code != codeRolledBack {
		t.Fatalf("exit %d\n%s", code, out.String())
	}
	// A machine that is busy may have needed longer than the run's end waits.
	if res := c.run("notify"); res.code != codeDone {
		t.Errorf("notify: %d %s", res.code, res.err)
	}
	for _, want := range []string{"run of told made by ann", "step only/write-it is done", "guard is-here fires", "rolling back", "ack by bo (signed), on it", "rolled back, verified"} {
		if !heardOf(r.slack, want) || !heardOf(r.hook, want) {
			t.Errorf("not everybody heard that %q:\n%s", want, strings.Join(r.mails(), "\n"))
		}
	}
	if !r.mailed("ada.lind@lekiwi.com", "[P1] told: nobody has acknowledged") || !r.mailed("migration-team@lekiwi.com", "[P1] CRITICAL: rolling back to the start") {
		t.Errorf("mails:\n%s", strings.Join(r.mails(), "\n"))
	}
	if got, want := turns(r.pager), "trigger guard/is-here, trigger unacknowledged, trigger rollback, resolve rollback, trigger unacknowledged, acknowledge guard/is-here, resolve unacknowledged, resolve guard/is-here"; got != want {
		t.Errorf("PagerDuty heard: %s\nwant: %s", got, want)
	}
	report := c.run("report", "--verify")
	if report.code != codeDone || !strings.Contains(report.out, "## Who was told") || !strings.Contains(report.out, "delivered after 3 tries") || strings.Contains(report.out, "waiting") {
		t.Errorf("report: exit %d %s\n%s", report.code, report.err, report.out)
	}
	if res := c.run("ack"); res.code != codeFailed || !strings.Contains(res.err, "is over") {
		t.Errorf("ack of a run that is over: %d %s", res.code, res.err)
	}
	noSecret(t, c, out.String()+status.out+report.out)
}

// heardOf reports whether a receiver was told something.
func heardOf(r *notifytest.Receiver, what string) bool {
	for _, q := range r.Taken() {
		if text, _ := q.Body["text"].(string); strings.Contains(text, what) {
			return true
		}
	}
	return false
}

// turns are the events of PagerDuty, without the run's ID.
func turns(r *notifytest.Receiver) string {
	var out []string
	for _, q := range r.Taken() {
		_, incident, _ := strings.Cut(strings.TrimPrefix(q.Body["dedup_key"].(string), "segue/"), "/")
		out = append(out, q.Body["event_action"].(string)+" "+incident)
	}
	return strings.Join(out, ", ")
}

// noSecret looks for secrets in what was printed, and in all that was kept.
func noSecret(t *testing.T, c *cli, printed string) {
	t.Helper()
	all := map[string]string{"output": printed}
	err := filepath.WalkDir(c.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all[path] = string(raw)
		return err
	})
	if err != nil || len(all) < 2 {
		t.Fatalf("%d places, %v", len(all), err)
	}
	for where, text := range all {
		for _, s := range []string{slackSecret, pagerSecret, hookSecret} {
			if strings.Contains(text, s) {
				t.Errorf("%s holds a secret", where)
			}
		}
	}
}

// Whoever carries the run out is killed before a receiver that is down could be
// told; the next process tells it, and nobody twice.
func TestWhatWasNotToldBeforeAKillIsToldAfterwards(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	r := newReceivers(t, c)
	c.toldRunbook(r, "notify", "1h")
	var down []func(http.ResponseWriter)
	for range 50 {
		down = append(down, notifytest.Status(503, "", ""))
	}
	r.slack.Fail(down...)
	cmd := c.command("run", "told.yaml", "--quiet")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, "the gate is told of", func() bool { return heardOf(r.hook, "gate of phase only: its time runs") })
	within(t, "what became of it is kept", func() bool {
		out := c.run("status").out
		return strings.Contains(out, fmt.Sprintf("%d delivered", len(r.hook.Taken()))) && strings.Contains(out, " waiting")
	})
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if status := c.run("status"); !strings.Contains(status.out, " waiting") || !strings.Contains(status.out, "503") {
		t.Errorf("status does not say that the chat was not told:\n%s", status.out)
	}
	heard := len(r.hook.Taken())
	r.slack.Recover()
	if res := c.run("notify"); res.code != codeDone || !strings.Contains(res.out, "is left to be told") {
		t.Fatalf("notify: %d %s", res.code, res.err)
	}
	if !heardOf(r.slack, "made by ann") || !heardOf(r.slack, "gate of phase only: its time runs") {
		t.Error("the chat was not told what came before the kill")
	}
	if got := len(r.hook.Taken()); got != heard {
		t.Errorf("the hook was told %d times, and then %d", heard, got)
	}
}
