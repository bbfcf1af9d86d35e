package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/athlete-ally/normalize"
)

const lookEvery = 50 * time.Millisecond

// await looks until a condition holds; the error says what was last wrong.
func await(ctx context.Context, what string, look func(context.Context) error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := look(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}

// AwaitHealthy returns when the services say so and Prometheus has scraped them.
func (s *System) AwaitHealthy(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return await(ctx, "ingest", func(ctx context.Context) error { _, err := get(ctx, s.Env.IngestURL+"/health"); return err })
	})
	for _, base := range s.Env.NormalizeURLs {
		group.Go(func() error {
			return await(ctx, "normalize at "+base, func(ctx context.Context) error { _, err := get(ctx, base+"/health"); return err })
		})
	}
	group.Go(func() error {
		return await(ctx, "Prometheus", func(ctx context.Context) error { return s.scraped(ctx) })
	})
	return group.Wait()
}

// NormalizeHealth asks instance i what it is.
func (s *System) NormalizeHealth(ctx context.Context, i int) (normalize.Health, error) {
	var h normalize.Health
	body, err := get(ctx, s.Env.NormalizeURLs[i]+"/health")
	if jsonErr := json.Unmarshal(body, &h); jsonErr != nil {
		return h, errors.Join(err, jsonErr)
	}
	return h, nil
}

func (s *System) scraped(ctx context.Context) error {
	body, err := get(ctx, s.Env.PrometheusURL+"/api/v1/query?query="+url.QueryEscape("sum(up)"))
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("answer of Prometheus: %w", err)
	}
	want := fmt.Sprint(1 + instances)
	if len(answer.Data.Result) != 1 || answer.Data.Result[0].Value[1] != want {
		return fmt.Errorf("targets up: %v, want %s", answer.Data.Result, want)
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
func withLogs(l layout, err error) error {
	entries, readErr := os.ReadDir(l.path("log"))
	if readErr != nil {
		return err
	}
	var b strings.Builder
	for _, entry := range entries {
		raw, readErr := os.ReadFile(l.path("log", entry.Name()))
		if readErr != nil || len(raw) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
		fmt.Fprintf(&b, "\n--- %s\n%s", entry.Name(), strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
	return fmt.Errorf("%w%s", err, b.String())
}
