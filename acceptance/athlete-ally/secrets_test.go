package acceptance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/journal/sqlite"
)

// leaky is a runbook that gives secrets every opportunity: wrong URLs, commands
// that echo them, a server that answers with them, a failing step, and the undo
// of variables that held others before.
const leaky = `segue: v1
name: leaky
connections:
  bus:       {nats: {url: "${NATS_URL}", system: "${NATS_SYSTEM_CREDS}"}}
  db:        {postgres: {url: "${DATABASE_URL}"}}
  apps:      {process: {api: "${APPS_URL}"}}
  wrong-bus: {nats: {url: "${WRONG_NATS_URL}"}}
  wrong-db:  {postgres: {url: "${WRONG_DATABASE_URL}"}}
  lost-db:   {postgres: {url: "${LOST_DATABASE_URL}"}}
  wrong-prom: {prometheus: {url: "${WRONG_PROMETHEUS_URL}"}}
checks:
  header:  {http: {url: "${INGEST_URL}/health?token=${QUERY_TOKEN}", headers: {Authorization: "Bearer ${HEADER_TOKEN}", X-Api-Key: "${API_KEY}"}, expect: 'text == ""'}}
  sent:    {http: {url: "${INGEST_URL}/api/v1/ingest/hrv", method: POST, send: '{"userId":"${BODY_SECRET}"}'}}
  nowhere: {http: {url: "${WRONG_HTTP_URL}"}}
  echoes:  {exec.check: {argv: [sh, -c, 'echo "$TOKEN"; echo "$TOKEN" | base64 -w0; echo "$1" >&2; exit 3', sh, "${ARGUMENT_SECRET}"], env: {TOKEN: "${EXEC_TOKEN}"}}}
  row:     {sql: {on: db, query: "select $1::text", args: ["${SQL_SECRET}"], expect: 'value == "other"'}}
  bus:     {nats.healthy: {on: bus, nodes: 3}}
  wrong-1: {nats.healthy: {on: wrong-bus, nodes: 3}}
  wrong-2: {sql: {on: wrong-db, query: "select 1", expect: value == 1}}
  wrong-3: {promql: {on: wrong-prom, query: up, above: 0}}
  wrong-4: {sql: {on: lost-db, query: "select 1", expect: value == 1}}
guards:
  - {check: header,  fails-for: 500ms, every: 200ms, do: notify}
  - {check: sent,    fails-for: 500ms, every: 200ms, do: notify}
  - {check: nowhere, fails-for: 500ms, every: 200ms, do: notify}
  - {check: echoes,  fails-for: 500ms, every: 200ms, do: notify}
  - {check: row,     fails-for: 500ms, every: 200ms, do: notify}
  - {check: wrong-1, fails-for: 500ms, every: 200ms, do: notify, unknown-for: 500ms, then: notify}
  - {check: wrong-2, fails-for: 500ms, every: 200ms, do: notify, unknown-for: 500ms, then: notify}
  - {check: wrong-3, fails-for: 500ms, every: 200ms, do: notify, unknown-for: 500ms, then: notify}
  - {check: wrong-4, fails-for: 500ms, every: 200ms, do: notify, unknown-for: 500ms, then: notify}
phases:
  - name: only
    require: [bus]
    on-failure: rollback
    steps:
      - name: Set variables
        process.env:
          on: apps
          service: normalize
          set: {PARTNER_TOKEN: "${NEW_TOKEN}", MAIL_PASSWORD: "${file:PASSWORDFILE}", MAIL_URL: "${NEW_MAIL_URL}"}
          unset: [SIGNING_KEY]
          health: "http://{NORMALIZE_ADDR}/health"
      - name: Tell it all
        exec: {do: [sh, -c, 'echo "failed with $PASSWORD and $0" >&2; echo "$PASSWORD" | base64 >&2; exit 1', "${DO_SECRET}"], undo: ["true"], observe: [echo, before], want: after, env: {PASSWORD: "${EXEC_PASSWORD}"}}
`

// planted are secrets by name: what the runbook refers to, and what the service
// has in its environment before.
type planted map[string]string

// newSecret has what URLs and shells write otherwise.
func newSecret() string { return "s+" + rand.Text()[:12] + "/" + rand.Text()[:6] + "=é" }

func plant(sys *system.System, old map[string]string) planted {
	p := planted{"ADMIN_TOKEN": sys.Env.AdminToken, "OURA_WEBHOOK_SECRET": sys.Env.OuraSecret}
	_, p["NATS_SYSTEM_CREDS"], _ = strings.Cut(sys.Env.NATSSystem, ":")
	for name, at := range map[string]string{"NATS_URL": strings.Split(sys.Env.NATSURL, ",")[0], "DATABASE_URL": sys.Env.DatabaseURL} {
		if u, err := url.Parse(at); err == nil {
			p[name], _ = u.User.Password()
		}
	}
	for _, name := range []string{
		"QUERY_TOKEN", "HEADER_TOKEN", "API_KEY", "BODY_SECRET", "ARGUMENT_SECRET", "EXEC_TOKEN", "SQL_SECRET", "NEW_TOKEN", "DO_SECRET", "EXEC_PASSWORD",
		"PASSWORDFILE", "NEW_MAIL_URL", "WRONG_NATS_URL", "WRONG_DATABASE_URL", "LOST_DATABASE_URL", "WRONG_PROMETHEUS_URL", "WRONG_HTTP_URL",
	} {
		p[name] = newSecret()
	}
	for name := range old {
		p["old "+name] = newSecret()
		old[name] = p["old "+name]
	}
	return p
}

// environment gives the secrets to segue, some inside of URLs.
func (p planted) environment() []string {
	var out []string
	for name, value := range p {
		in := url.QueryEscape(value)
		switch name {
		case "NATS_URL", "DATABASE_URL", "NATS_SYSTEM_CREDS", "ADMIN_TOKEN", "OURA_WEBHOOK_SECRET", "PASSWORDFILE":
			continue // the system's own, or in a file
		case "QUERY_TOKEN":
			value = in
		case "BODY_SECRET", "API_KEY":
		case "NEW_MAIL_URL":
			value = "smtp://mailer:" + in + "@127.0.0.1:1/"
		case "WRONG_NATS_URL":
			value = "nats://app:" + in + "@127.0.0.1:1"
		case "WRONG_DATABASE_URL":
			value = "postgres://athlete:" + in + "@127.0.0.1:1/x?sslmode=disable"
		case "LOST_DATABASE_URL":
			value = "postgres://athlete:" + in + "@127.0.0.1:1/%zz" // no URL at all: errors quote it
		case "WRONG_PROMETHEUS_URL":
			value = "http://prom:" + in + "@127.0.0.1:1"
		case "WRONG_HTTP_URL":
			value = "http://user:" + in + "@127.0.0.1:1/x?api_key=" + in
		}
		if !strings.Contains(name, " ") {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// found lists the secrets that a text holds, in a form in which they leak.
func (p planted) found(where string, text []byte) []string {
	var out []string
	for name, value := range p {
		forms := map[string]string{"plain": value, "URL-encoded": url.QueryEscape(value), "path-encoded": url.PathEscape(value)}
		for pad := range 3 { // the alignments of base64 of a text around it
			raw := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", pad) + value))
			forms[fmt.Sprintf("base64 at %d", pad)] = raw[[]int{0, 2, 3}[pad] : len(raw)-4]
		}
		for form, text2 := range forms {
			if bytes.Contains(text, []byte(text2)) {
				out = append(out, fmt.Sprintf("%s (%s) in %s", name, form, where))
			}
		}
	}
	slices.Sort(out)
	return out
}

// scan looks through all files of a state directory but sealed/, as they are,
// and through all that the journal holds, as it is read.
func (p planted) scan(t testing.TB, state string) []string {
	t.Helper()
	var out []string
	check(t, filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "sealed" {
				return filepath.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(path)
		out = append(out, p.found(path, text)...)
		return err
	}))
	reader, err := sqlite.OpenReadOnly(t.Context(), state)
	check(t, err)
	defer reader.Close()
	runs, err := reader.Runs(t.Context(), time.Now())
	check(t, err)
	for _, run := range runs {
		records, err := reader.Read(t.Context(), run.Run, 0, 0)
		check(t, err)
		for _, rec := range records {
			out = append(out, p.found("event "+rec.Type, rec.Data)...)
		}
		messages, err := reader.Inbox(t.Context(), run.Run, 0)
		check(t, err)
		for _, m := range messages {
			out = append(out, p.found("a message", m.Data)...)
		}
		readings, err := reader.Readings(t.Context(), run.Run, "", time.Unix(0, 0))
		check(t, err)
		for _, rd := range readings {
			out = append(out, p.found("a reading of "+rd.Check, rd.Data)...)
		}
	}
	return out
}

// opportunities lists those of leaky that its run did not have.
func opportunities(t testing.TB, state string) (missing []string) {
	t.Helper()
	reader, err := sqlite.OpenReadOnly(t.Context(), state)
	check(t, err)
	defer reader.Close()
	runs, err := reader.Runs(t.Context(), time.Now())
	check(t, err)
	seen := map[string]bool{}
	for _, run := range runs {
		records, err := reader.Read(t.Context(), run.Run, 0, 0)
		check(t, err)
		for _, rec := range records {
			ev, err := engine.Unmarshal(rec.Type, rec.Version, rec.Data)
			check(t, err)
			switch ev := ev.(type) {
			case engine.CheckTurned:
				seen[ev.Check] = true
				t.Logf("%s: %s %s", ev.Check, ev.Reading.Value, ev.Reading.Detail)
			case engine.StepFailed:
				seen["failed step"] = true
				t.Logf("%s: %s", ev.Step, ev.Error)
			case engine.UndoDone:
				seen["undo"] = true
			}
		}
	}
	for _, name := range []string{"header", "sent", "nowhere", "echoes", "row", "wrong-1", "wrong-2", "wrong-3", "wrong-4", "failed step", "undo"} {
		if !seen[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

func (w *world) secrets(t *testing.T) {
	old := map[string]string{"PARTNER_TOKEN": "", "MAIL_PASSWORD": "", "SIGNING_KEY": ""}
	p := plant(w.sys, old)
	if len(p) < 20 {
		t.Fatalf("only %d secrets", len(p))
	}
	for i := range 2 {
		check(t, w.sys.SetEnv(t.Context(), system.Normalize(i), old))
		check(t, w.sys.AwaitHealthy(t.Context()))
	}
	was := w.look(t)
	dir, state := t.TempDir(), t.TempDir()
	password := filepath.Join(dir, "password")
	check(t, os.WriteFile(password, []byte(p["PASSWORDFILE"]+"\n"), 0o600))
	file := filepath.Join(dir, "leaky.yaml")
	check(t, os.WriteFile(file, []byte(strings.Replace(leaky, "PASSWORDFILE", password, 1)), 0o600))
	env := p.environment()
	said := func(args ...string) result {
		cmd := w.command(context.WithoutCancel(t.Context()), args...)
		cmd.Env = append(cmd.Env, env...)
		cmd.Env = append(cmd.Env, "SEGUE_STATE="+state)
		r := runtest.Finish(t, cmd)
		if leaks := p.found("segue "+strings.Join(args, " "), []byte(r.String())); len(leaks) > 0 {
			t.Errorf("leaked: %s", strings.Join(leaks, "\n"))
		}
		return r
	}
	said("lint", file)
	said("plan", file, "-v")
	said("plan", file, "--json")
	r := said("run", file, "--plain", "-v", "--no-wait")
	if missing := opportunities(t, state); len(missing) > 0 {
		t.Fatalf("the run (exit %d) did not get to where secrets show: no %v\n%s", r.Code, missing, r)
	}
	for _, args := range [][]string{
		{"status"},
		{"status", "--json"},
		{"why"},
		{"why", "--json"},
		{"report"},
		{"report", "--json"},
		{"runs"},
		{"runs", "--json"},
		{"check", file},
		{"rollback", "start", "--wait", "0s"},
		{"run", "--resume", "--plain", "-v", "--no-wait"},
		{"report"},
		{"report", "--json"},
	} {
		if slices.Contains(args, "status") || slices.Contains(args, "why") || slices.Contains(args, "report") {
			// Whoever looks need not have the environment that the run had.
			kept := env
			env = nil
			said(args...)
			env = kept
		}
		said(args...)
	}
	if leaks := p.scan(t, state); len(leaks) > 0 {
		t.Errorf("leaked:\n%s", strings.Join(leaks, "\n"))
	}
	if now := w.look(t); asJSON(was.Env) != asJSON(now.Env) {
		t.Error("the environment is not as before")
	}
	t.Logf("%d secrets in no output and no file but sealed/; %d times [redacted] in the run's output", len(p), strings.Count(r.String(), "[redacted]"))

	// The negative control: the scanner finds what is there.
	check(t, os.MkdirAll(filepath.Join(state, "artifacts"), 0o700))
	check(t, os.WriteFile(filepath.Join(state, "artifacts", "planted"), []byte("mail:"+base64.StdEncoding.EncodeToString([]byte("user:"+p["NEW_TOKEN"]))), 0o600))
	plain := filepath.Join(dir, "plain.yaml")
	check(t, os.WriteFile(plain, []byte("segue: v1\nname: plain\ndescription: '"+url.QueryEscape(p["DO_SECRET"])+"'\nphases: [{name: none, require: [{attest: nothing}]}]\n"), 0o600))
	said("run", plain, "--plain", "--no-wait", "--quiet")
	leaks := strings.Join(p.scan(t, state), "\n")
	for _, want := range []string{"NEW_TOKEN (base64", "DO_SECRET (URL-encoded) in event run.created"} {
		if !strings.Contains(leaks, want) {
			t.Errorf("the scanner does not find %s: %s", want, leaks)
		}
	}
}
