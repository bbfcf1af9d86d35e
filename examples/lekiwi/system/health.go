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

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/sandbox"
)

// instance is one of a service, and where it answers.
type instance struct{ name, url string }

// instances are all of them, whether they run or not.
func (s *System) instances() []instance {
	all := []instance{
		{Instance(Legacy, 0), s.Env.LegacyURL},
		{Instance(Monitor, 0), s.Env.MonitorURL},
		{Instance(Teleoperation, 0), s.Env.TeleoperationURL},
		{Instance(Tracker, 0), s.Env.TrackerURL},
	}
	for i, u := range s.Env.DiscoveryURLs {
		all = append(all, instance{Instance(Discovery, i), u})
	}
	for i, u := range s.Env.StateURLs {
		all = append(all, instance{Instance(State, i), u})
	}
	return all
}

// AwaitHealthy returns when the edge answers, Redis does, every instance that is
// not stopped on purpose says that it is healthy, and Prometheus has scraped it.
func (s *System) AwaitHealthy(ctx context.Context) error {
	all, err := s.compose.List(ctx)
	if err != nil {
		return fmt.Errorf("list the processes: %w", err)
	}
	off := map[string]bool{}
	for _, p := range all {
		off[p.Name] = p.Status == sandbox.StatusDisabled || p.Status == sandbox.StatusCompleted
	}
	group, ctx := errgroup.WithContext(ctx)
	healthy := func(what, url string) {
		group.Go(func() error {
			return sandbox.Await(ctx, what+" at "+url, func(ctx context.Context) error { _, err := get(ctx, url); return err })
		})
	}
	var targets []string
	for _, in := range s.instances() {
		if !off[in.name] {
			healthy(in.name, in.url+"/health")
			targets = append(targets, host(in.url))
		}
	}
	if !off[NGINX] {
		healthy(NGINX, s.Env.EdgeURL+"/health")
	}
	if !off[Redis] {
		group.Go(func() error { return awaitRedis(ctx, s.Env.RedisURL) })
	}
	if !off[Prometheus] {
		group.Go(func() error {
			return sandbox.Await(ctx, "Prometheus", func(ctx context.Context) error { return s.scraped(ctx, targets) })
		})
	}
	return group.Wait()
}

func awaitRedis(ctx context.Context, at string) error {
	opt, err := redis.ParseURL(at)
	if err != nil {
		return errors.New("REDIS_URL is not a URL") // which the error would show
	}
	client := redis.NewClient(opt)
	defer client.Close()
	return sandbox.Await(ctx, "Redis", func(ctx context.Context) error { return client.Ping(ctx).Err() })
}

// scraped wants these targets to be up in Prometheus' eyes.
func (s *System) scraped(ctx context.Context, targets []string) error {
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

func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.Host
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
