package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/sandbox"
)

// AwaitHealthy returns when the services say so and Prometheus, if there is one,
// has scraped them. Which instances of normalize and normalize-green are meant
// is seen as it is called: those that are not stopped on purpose, of which there
// must be one.
func (s *System) AwaitHealthy(ctx context.Context) error {
	on, err := s.workers(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return sandbox.Await(ctx, "ingest", func(ctx context.Context) error { _, err := get(ctx, s.Env.IngestURL+"/health"); return err })
	})
	for _, w := range on {
		group.Go(func() error {
			return sandbox.Await(ctx, w.name+" at "+w.url, func(ctx context.Context) error { _, err := get(ctx, w.url+"/health"); return err })
		})
	}
	if s.Env.PrometheusURL != "" {
		group.Go(func() error {
			return sandbox.Await(ctx, "Prometheus", func(ctx context.Context) error { return s.scraped(ctx, on) })
		})
	}
	return group.Wait()
}

// worker is an instance of normalize or normalize-green.
type worker struct {
	name, url, metrics string
}

// workers are those that are not stopped on purpose. One that has crashed, or
// that process-compose does not know of for a moment, is meant to run.
func (s *System) workers(ctx context.Context) ([]worker, error) {
	all, err := s.compose.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	off := map[string]bool{}
	for i := range s.Env.GreenURLs {
		off[Green(i)] = true // until it was started
	}
	for _, p := range all {
		off[p.Name] = p.Status == sandbox.StatusDisabled || p.Status == sandbox.StatusCompleted
	}
	var on []worker
	add := func(name, url, metrics string) {
		if !off[name] {
			on = append(on, worker{name, url, metrics})
		}
	}
	for i, u := range s.Env.NormalizeURLs {
		add(Normalize(i), u, s.Env.MetricsURLs[i])
	}
	for i, u := range s.Env.GreenURLs {
		add(Green(i), u, s.Env.GreenMetricsURLs[i])
	}
	if len(on) == 0 {
		return nil, errors.New("every normalize and normalize-green is stopped: start one")
	}
	return on, nil
}

// NormalizeHealth asks instance i what it is.
func (s *System) NormalizeHealth(ctx context.Context, i int) (normalize.Health, error) {
	return health(ctx, s.Env.NormalizeURLs[i])
}

// GreenHealth asks instance i of normalize-green.
func (s *System) GreenHealth(ctx context.Context, i int) (normalize.Health, error) {
	return health(ctx, s.Env.GreenURLs[i])
}

func health(ctx context.Context, base string) (normalize.Health, error) {
	var h normalize.Health
	body, err := get(ctx, base+"/health")
	if jsonErr := json.Unmarshal(body, &h); jsonErr != nil {
		return h, errors.Join(err, jsonErr)
	}
	return h, nil
}

// scraped wants ingest and these workers to be up in Prometheus' eyes; what
// other targets are is not asked.
func (s *System) scraped(ctx context.Context, on []worker) error {
	body, err := get(ctx, s.Env.PrometheusURL+"/api/v1/query?query=up")
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  [2]any            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("answer of Prometheus: %w", err)
	}
	up := map[string]any{}
	for _, r := range answer.Data.Result {
		up[r.Metric["instance"]] = r.Value[1]
	}
	targets := []string{host(s.Env.IngestURL)}
	for _, w := range on {
		targets = append(targets, host(w.metrics))
	}
	for _, target := range targets {
		if up[target] != "1" {
			return fmt.Errorf("target %s: up is %v, want 1", target, up[target])
		}
	}
	return nil
}

// get returns the body too when the status is not 200.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names method and URL
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return body, fmt.Errorf("GET %s: %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}

// withLogs adds the last lines of every log to an error: the directory will be
// gone when somebody reads it.
func withLogs(l sandbox.Dir, err error) error {
	entries, readErr := os.ReadDir(l.Path("log"))
	if readErr != nil {
		return err
	}
	var b strings.Builder
	for _, entry := range entries {
		raw, readErr := os.ReadFile(l.Path("log", entry.Name()))
		if readErr != nil || len(raw) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
		fmt.Fprintf(&b, "\n--- %s\n%s", entry.Name(), strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
	return fmt.Errorf("%w%s", err, b.String())
}
