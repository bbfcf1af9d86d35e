package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fault answers for a page, a time after it began: with what is bad, or not.
type fault func(w http.ResponseWriter, r *http.Request, since time.Duration)

// faulty is a service's metrics page at a thousand requests a second. Once the
// migration's step is done it is scraped some times more, and then it fails.
type faulty struct {
	done  func() bool
	fault fault
	after int // so many scrapes behind the step it fails

	mu      sync.Mutex
	begun   time.Time
	scrapes int
	failed  time.Time
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.fails() {
		f.fault(w, r, f.since())
	} else {
		fmt.Fprintln(w, "bad_total 0")
	}
	fmt.Fprintf(w, "all_total %d\n", time.Since(f.begun).Milliseconds())
}

func (f *faulty) fails() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done() {
		f.scrapes++
	}
	if f.scrapes == f.after && f.failed.IsZero() {
		f.failed = time.Now()
	}
	return !f.failed.IsZero()
}

func (f *faulty) since() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.failed)
}

// A migration is one step, that writes a file, and the gate behind it; the
// service is watched from the moment that the step is done.
type migration struct {
	*cli
	file string
	f    *faulty
	page *httptest.Server
}

func newMigration(t *testing.T, what fault) *migration {
	t.Helper()
	m := &migration{cli: newCLI(t)}
	m.file = filepath.Join(m.dir, "a")
	if err := os.WriteFile(m.file, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.f = &faulty{begun: time.Now(), fault: what, after: 12, done: func() bool { return m.is("new\n") }}
	m.page = httptest.NewServer(m.f)
	t.Cleanup(m.page.Close)
	return m
}

func (m *migration) is(want string) bool {
	text, err := os.ReadFile(m.file)
	return err == nil && string(text) == want
}

// putBack runs the migration, and wants it put back within ten seconds of the
// fault.
func (m *migration) putBack(connections, checks, guards, hold string) (out string) {
	m.t.Helper()
	m.cli.file("guarded.yaml", `segue: v1
name: guarded
connections:
  pages: {prometheus: {scrape: ["`+m.page.URL+`/metrics"], every: 250ms}}`+connections+`
checks:
  errors: {ratio: {on: pages, bad: bad_total, total: all_total, below: 1%, confidence: 95%}}
  old-is-back: {exec.check: {argv: [grep, -q, old, "`+m.file+`"]}}`+checks+`
guards:
  - {check: errors, do: rollback, to: start, every: 500ms, unknown-for: 2s, then: rollback}`+guards+`
phases:
  - name: only
    steps:
      - name: Write it
        exec: {do: [sh, -c, "echo new > a"], undo: [sh, -c, "echo old > a"], observe: [cat, a], want: new, dir: "`+m.dir+`"}
    gate: {hold: [`+hold+`], for: 5m, every: 1s}
    rollback: {verify: {checks: [old-is-back]}}
`)
	cmd := m.command("run", "guarded.yaml", "--plain")
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	defer time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	_ = cmd.Wait() // its exit code is looked at below
	took := m.f.since()
	if code := cmd.ProcessState.ExitCode(); code != codeRolledBack || !m.is("old\n") || took > 10*time.Second {
		m.t.Fatalf("exit %d after %s\n%s", code, took, text.String())
	}
	m.t.Logf("from the fault to the end of the rollback: %s", took.Round(10*time.Millisecond))
	return text.String()
}

// fiveInAHundred is what is bad of a thousand requests a second.
func fiveInAHundred(w http.ResponseWriter, _ *http.Request, since time.Duration) {
	fmt.Fprintf(w, "bad_total %d\n", since.Milliseconds()/20)
}

// The real fault, and the time from it to a rollback that is verified: errors,
// and a source that is gone. Nothing but pages is asked, in the run's own
// process; the rollback needs none of them.
func TestFromFaultToVerifiedRollback(t *testing.T) {
	for name, what := range map[string]fault{
		"five per cent errors": fiveInAHundred,
		"the source is gone": func(w http.ResponseWriter, _ *http.Request, _ time.Duration) {
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"the source hangs": func(_ http.ResponseWriter, r *http.Request, _ time.Duration) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newMigration(t, what).putBack("", "", "", "errors")
		})
	}
}

// Sources that take a question and never answer: guards of another source see
// their fault, those of the silent ones tell that they see nothing, the gate
// stays shut, and the rollback waits for none of them.
func TestASourceThatHangsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	m := newMigration(t, fiveInAHundred)
	m.f.after = 28 // the others are to be heard of first
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(func() { close(over); silent.Close() })
	out := m.putBack(`
  prom:   {prometheus: {url: "`+silent.URL+`"}}
  silent: {prometheus: {scrape: ["`+silent.URL+`/metrics"], every: 250ms}}`, `
  alive:     {exec.check: {argv: ["true"]}}
  of-prom:   {promql: {on: prom, query: up, above: 0}}
  share:     {ratio: {on: prom, bad: bad_total, total: all_total, below: 1%, confidence: 95%}}
  of-silent: {promql: {on: silent, query: depth, above: 0}}
  of-page:   {metrics: {url: "`+silent.URL+`/metrics", metric: up, above: 0}}
  healthy:   {http: {url: "`+silent.URL+`/health"}}`, `
  - {check: of-prom,   do: rollback, every: 500ms, unknown-for: 2s, then: notify}
  - {check: share,     do: rollback, every: 500ms, unknown-for: 2s, then: notify}
  - {check: of-page,   do: rollback, every: 500ms, unknown-for: 2s, then: notify}
  - {check: of-silent, do: rollback, every: 500ms, unknown-for: 2s, then: notify}
  - {check: healthy,   do: notify,   every: 500ms}`, "alive, errors, of-prom, of-silent")
	for _, name := range []string{"of-prom", "share", "of-silent", "of-page", "healthy"} {
		if !strings.Contains(out, "guard "+name+" fires") {
			t.Errorf("guard %s has not told that its source is silent:\n%s", name, out)
		}
	}
}
