package prometheus

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/runbook"
)

// exporter is a metrics page that tests write, and that Prometheus scrapes.
type exporter struct {
	*httptest.Server
	mu    sync.Mutex
	lines map[string]string
}

func newExporter() *exporter {
	e := &exporter{lines: map[string]string{}}
	e.Server = httptest.NewServer(e)
	return e
}

func (e *exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for series, value := range e.lines {
		fmt.Fprintf(w, "%s %s\n", series, value)
	}
}

func (e *exporter) set(series string, value any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines[series] = fmt.Sprint(value)
}

func (e *exporter) drop(series string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.lines, series)
}

// live is Debian's Prometheus on a free port, scraping an exporter ten times
// a second.
type live struct {
	*exporter
	url string
	cmd *exec.Cmd
	dir string
	log strings.Builder
}

func (l *live) start() error {
	l.exporter = newExporter()
	dir, err := os.MkdirTemp("", "prom")
	if err != nil {
		return err
	}
	l.dir = dir
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	config := fmt.Sprintf("scrape_configs:\n- job_name: t\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n  static_configs: [{targets: ['%s']}]\n",
		strings.TrimPrefix(l.exporter.URL, "http://"))
	if err := os.WriteFile(filepath.Join(dir, "p.yml"), []byte(config), 0o600); err != nil {
		return err
	}
	l.url = "http://" + addr
	l.cmd = exec.Command("prometheus", "--config.file="+dir+"/p.yml", "--storage.tsdb.path="+dir+"/data", //nolint:gosec // Debian's
		"--web.listen-address="+addr, "--log.level=warn")
	l.cmd.Stdout, l.cmd.Stderr = &l.log, &l.log
	return l.cmd.Start()
}

func (l *live) stop() {
	if l.cmd != nil && l.cmd.Process != nil {
		_ = l.cmd.Process.Kill()
		_ = l.cmd.Wait()
	}
	l.exporter.Close()
	_ = os.RemoveAll(l.dir)
}

// prom is started before the first test: its first answer takes seconds.
var prom live

func TestMain(m *testing.M) {
	if err := prom.start(); err != nil {
		fmt.Fprintln(os.Stderr, "start Debian's Prometheus:", err)
		os.Exit(1)
	}
	code := m.Run()
	prom.stop()
	os.Exit(code)
}

// server is a connection to the live Prometheus, once it answers.
func server(t *testing.T) *Server {
	t.Helper()
	s := connected(t, connParams{URL: prom.url})
	eventually(t, "Prometheus scrapes", func() bool {
		up, err := s.query(t.Context(), `up == 1`)
		return err == nil && len(up) == 1
	})
	return s
}

func connected(t *testing.T, p connParams) *Server {
	t.Helper()
	s, err := open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// shows waits until Prometheus has the value.
func shows(t *testing.T, s *Server, query string, value float64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s = %g", query, value), func() bool {
		got, err := s.query(t.Context(), query)
		return err == nil && len(got) == 1 && got[0].last().value == value
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

// freeze stops Prometheus in its tracks until the test ends.
func (l *live) freeze(t *testing.T) {
	t.Helper()
	_ = l.cmd.Process.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { _ = l.cmd.Process.Signal(syscall.SIGCONT) })
}

// fake answers every query with the same text.
func fake(t *testing.T, status int, body string) *Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return connected(t, connParams{URL: s.URL})
}

func ptr(v float64) *float64 { return &v }

func percent(v runbook.Percent) *runbook.Percent { return &v }
