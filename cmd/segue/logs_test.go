package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/process/processtest"
)

// lockedBuffer is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Each workload writes what a file of its name is given.
func TestLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all []processtest.Process
	for _, name := range []string{"web-0", "web-1", "api-0"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, processtest.Process{Name: name, Namespace: name[:3], Entrypoint: []string{"tail", "-n", "+1", "-f", file}})
	}
	o := processtest.Start(t, all...)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0p-secret-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := written(t, fmt.Sprintf(`
segue: v1
name: logs
connections:
  apps: {process: {api: %q, token: "${file:%s}"}}
checks:
  up: {process.status: {on: apps, service: web, running: 2}}
phases:
  - {name: one, require: [up]}
`, o.API, token))
	clock := time.Now().UTC().Truncate(time.Second)
	says := func(name, what string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintln(f, clock.Format(time.RFC3339), what)
		clock = clock.Add(time.Second)
	}
	says("web-1", "first")
	says("api-0", "second")
	says("web-0", "third, with t0p-secret-token")
	shows := func(want string, args ...string) {
		t.Helper()
		processtest.Await(t, "the logs to be complete", func() error {
			out, errs, code := answered(t, append([]string{"logs", file}, args...)...)
			if code != codeDone || !regexp.MustCompile(want).MatchString(out) || strings.Contains(out, "t0p-secret") {
				return fmt.Errorf("code %d, want %s: %s%s", code, want, out, errs)
			}
			return nil
		})
	}
	shows(`(?s)web-1 \| \S+ first\n.*api-0 \| \S+ second\n.*web-0 \| \S+ third, with `)
	shows(`^api-0 \| \S+ second\n$`, "api-0", "-n", "1")
	shows(`(?s)^web-1 \| \S+ first\nweb-0 \| \S+ third[^\n]*\n$`, "web", "-n", "2")
	if out, errs, code := answered(t, "logs", file, "nobody"); code != codeFailed || !strings.Contains(errs, "no line of nobody") {
		t.Errorf("code %d: %s%s", code, out, errs)
	}

	t.Run("and goes on with what comes, until it is interrupted", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		var out, errs lockedBuffer
		ended := make(chan int, 1)
		go func() { ended <- run(ctx, []string{"logs", file, "-f", "-n", "1"}, nil, &out, &errs, hooks{}) }()
		sees := func(want string) {
			t.Helper()
			processtest.Await(t, want+" to be seen", func() error {
				if n := strings.Count(out.String(), want); n != 1 {
					return fmt.Errorf("it is there %d times: %s%s", n, out.String(), errs.String())
				}
				return nil
			})
		}
		sees("third, with")
		says("api-0", "fourth")
		sees("fourth")
		interrupt()
		if code := <-ended; code != codeDone {
			t.Errorf("code %d: %s", code, errs.String())
		}
	})
}

func TestLogsOfARunbookWithoutWorkloads(t *testing.T) {
	file := written(t, `
segue: v1
name: logs
checks:
  up: {http: {url: "http://127.0.0.1:1"}}
phases:
  - {name: one, require: [up]}
`)
	if out, errs, code := answered(t, "logs", file); code != codeUsage || !strings.Contains(errs, "one of kind process has") {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
}
