package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// faulty is a service's metrics page at a thousand requests a second. Once the
// migration's step is done it is scraped some times more, and then it fails.
type faulty struct {
	done  func() bool
	fault func(w http.ResponseWriter, since time.Duration) // writes what is bad

	mu      sync.Mutex
	begun   time.Time
	scrapes int
	failed  time.Time
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done() {
		f.scrapes++
	}
	if f.scrapes == 12 && f.failed.IsZero() {
		f.failed = time.Now()
	}
	if !f.failed.IsZero() {
		f.fault(w, time.Since(f.failed))
	} else {
		fmt.Fprintln(w, "bad_total 0")
	}
	fmt.Fprintf(w, "all_total %d\n", time.Since(f.begun).Milliseconds())
}

func (f *faulty) since() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.failed)
}

// The real fault, and the time from it to a rollback that is verified: errors,
// and a source that is gone. Nothing but pages is asked, in the run's own
// process; the rollback needs none of them.
func TestFromFaultToVerifiedRollback(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter, time.Duration){
		"five per cent errors": func(w http.ResponseWriter, since time.Duration) {
			fmt.Fprintf(w, "bad_total %d\n", since.Milliseconds()/20)
		},
		"the source is gone": func(w http.ResponseWriter, _ time.Duration) {
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t)
			file := filepath.Join(c.dir, "a")
			if err := os.WriteFile(file, []byte("old\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			is := func(want string) bool {
				text, err := os.ReadFile(file)
				return err == nil && string(text) == want
			}
			f := &faulty{begun: time.Now(), fault: fault, done: func() bool { return is("new\n") }}
			page := httptest.NewServer(f)
			t.Cleanup(page.Close)
			c.file("guarded.yaml", `segue: v1
name: guarded
connections:
  pages: {prometheus: {scrape: ["`+page.URL+`/metrics"], every: 250ms}}
checks:
  errors: {ratio: {on: pages, bad: bad_total, total: all_total, below: 1%, confidence: 95%}}
  old-is-back: {exec.check: {argv: [grep, -q, old, "`+file+`"]}}
guards:
  - {check: errors, do: rollback, to: start, every: 500ms, unknown-for: 2s, then: rollback}
phases:
  - name: only
    steps:
      - name: Write it
        exec: {do: [sh, -c, "echo new > a"], undo: [sh, -c, "echo old > a"], observe: [cat, a], want: new, dir: "`+c.dir+`"}
    gate: {hold: [errors], for: 5m, every: 1s}
    rollback: {verify: {checks: [old-is-back]}}
`)
			cmd := c.command("run", "guarded.yaml", "--plain")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
			_ = cmd.Wait() // its exit code is looked at below
			took := f.since()
			if code := cmd.ProcessState.ExitCode(); code != codeRolledBack || !is("old\n") || took > 10*time.Second {
				t.Fatalf("exit %d after %s\n%s", code, took, out.String())
			}
			t.Logf("from the fault to the end of the rollback: %s", took.Round(10*time.Millisecond))
		})
	}
}
