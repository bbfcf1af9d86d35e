package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// page is a metrics page, scraped ten times a second.
type page struct {
	mu     sync.Mutex
	values map[string]int // by stream
}

func (p *page) count(stream string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values[stream]++
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for stream, n := range p.values {
		fmt.Fprintf(w, "normalize_messages_total{result=\"processed\",stream=%q} %d\n", stream, n)
	}
}

func startPrometheus(dir string) (stop func(), err error) {
	server := httptest.NewServer(counts)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("scrape_configs:\n- job_name: t\n  scrape_interval: 100ms\n  scrape_timeout: 100ms\n  static_configs: [{targets: ['%s']}]\n", strings.TrimPrefix(server.URL, "http://"))
	if err := os.WriteFile(filepath.Join(dir, "p.yml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("prometheus", "--config.file="+dir+"/p.yml", "--storage.tsdb.path="+dir+"/prom", "--web.listen-address="+addr, "--log.level=warn") //nolint:gosec // Debian's
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Debian's Prometheus: %w", err)
	}
	promURL = "http://" + addr
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		server.Close()
	}, nil
}

// awaitPrometheus waits for the first answer: a probe should not.
func awaitPrometheus() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, promURL+"/api/v1/query?query=up", http.NoBody)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for Prometheus on %s: %w", promURL, ctx.Err())
		}
	}
}
