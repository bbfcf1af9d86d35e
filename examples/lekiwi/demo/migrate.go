package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/examples/sandbox/stage"
)

// session is a demonstration while it goes on.
type session struct {
	stage.Stage
	o   Options
	sys *system.System
}

// warmUp is how long robots report before the migration begins: longer than it
// takes until each has done so.
const warmUp = 6 * time.Second

// underLoad carries the migration out while robots report and people watch.
func (s *session) underLoad(ctx context.Context) (stats fleet.Stats, took time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	driving := make(chan struct{})
	cfg := s.o.Fleet
	cfg.Run, cfg.Journal, cfg.Driving = "demo", s.Path("fleet.jsonl"), driving
	cfg.URL, cfg.SessionsURL, cfg.Gateway = s.sys.Env.EdgeURL, s.sys.Env.TeleoperationURL, s.sys.Env.FleetAddr
	loaded := make(chan error, 1)
	go func() {
		st, err := fleet.Run(loadCtx, cfg)
		stats = st
		loaded <- err
	}()
	go s.letDrive(ctx, driving)
	select {
	case <-time.After(warmUp):
	case err := <-loaded:
		return stats, 0, fmt.Errorf("the fleet: %w", err)
	}
	began := time.Now()
	runErr := s.Migrate(ctx)
	took = time.Since(began)
	stopLoad()
	if err := <-loaded; err != nil {
		return stats, took, fmt.Errorf("the fleet: %w", err)
	}
	s.Say(strings.TrimRight(stats.Lines(), "\n"))
	return stats, took, runErr
}

// letDrive lets people drive as soon as the new system, which alone knows
// sessions, is there and knows all robots.
func (s *session) letDrive(ctx context.Context, driving chan<- struct{}) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		var health api.Health
		var count api.Count
		if ask(ctx, s.sys.Env.TeleoperationURL+api.PathHealth, &health) == nil && health.Status == api.Healthy &&
			ask(ctx, s.sys.Env.StateURLs[0]+api.PathRobotCount, &count) == nil && count.Total >= s.o.Fleet.Robots {
			close(driving)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func ask(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into) //nolint:wrapcheck // only that it failed counts
}
