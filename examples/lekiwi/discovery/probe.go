package discovery

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

// parallel is how many robots are asked at a time.
const parallel = 64

// prober asks robots.
type prober struct {
	cfg    Config
	state  *stateclient.Client
	log    *slog.Logger
	events func() bool // whether robots are taken on as they appear
	client *http.Client
	probes *prometheus.CounterVec
}

func newProber(cfg Config, state *stateclient.Client, log *slog.Logger, events func() bool) *prober {
	return &prober{
		cfg: cfg, state: state, log: log, events: events,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: parallel}},
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "discovery_probes_total", Help: "Robots asked who they are.",
		}, []string{"result"}),
	}
}

// ask asks the robot at an address who it is.
func (p *prober) ask(ctx context.Context, ip string) (rec robot.Record, err error) {
	result := "unanswered"
	defer func() { p.probes.WithLabelValues(result).Inc() }()
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ProbeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.ReplaceAll(p.cfg.RobotURL, "{ip}", url.PathEscape(ip)), nil) //nolint:gosec // where robots are is the operator's to say
	if err != nil {
		return rec, fmt.Errorf("ask the robot at %s: %w", ip, err)
	}
	resp, err := p.client.Do(req) //nolint:gosec // as above
	if err != nil {
		return rec, fmt.Errorf("ask the robot at %s: %w", ip, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, robot.MaxRecord))
	switch {
	case err != nil:
		return rec, fmt.Errorf("ask the robot at %s: %w", ip, err)
	case resp.StatusCode != http.StatusOK:
		return rec, fmt.Errorf("ask the robot at %s: %s", ip, resp.Status)
	}
	if rec, err = robot.ParseRecord(body); err != nil {
		result = "invalid"
		return rec, fmt.Errorf("the answer of the robot at %s: %w", ip, err)
	}
	result = "answered"
	return rec, nil
}

// event is one that happens to a robot once in a sweep's time.
func (p *prober) event(k robot.Kind, id string, rec *robot.Record) robot.Event {
	now := time.Now()
	return robot.Event{Key: robot.WindowKey(k, id, now, p.cfg.SweepEvery), RobotID: id, Kind: k, At: robot.At(now), Record: rec}
}

// probe asks a robot and notes its answer, or that there was none.
func (p *prober) probe(ctx context.Context, r robot.Robot) error {
	if r.IP == "" {
		return nil // it can only be heard of
	}
	var noted []robot.Event
	rec, err := p.ask(ctx, r.IP)
	if err == nil {
		noted = append(noted, p.event(robot.Probed, rec.ID, &rec))
	}
	if err != nil || rec.ID != r.ID { // at that address there is another one
		noted = append(noted, p.event(robot.Unanswered, r.ID, nil))
	}
	_, err = p.state.Append(ctx, noted)
	return err //nolint:wrapcheck // it says what was done
}

// takeOn begins with a robot that was discovered, unless another instance has.
func (p *prober) takeOn(ctx context.Context, r robot.Robot) error {
	taken := robot.Event{
		Key:     robot.NewKey(string(robot.Taken), r.ID, r.DiscoveredAt.Format(time.RFC3339Nano)),
		RobotID: r.ID, Kind: robot.Taken, At: robot.At(time.Now()),
	}
	done, err := p.state.Append(ctx, []robot.Event{taken})
	if err != nil || done.Appended == 0 {
		return err //nolint:wrapcheck // it says what was done
	}
	return p.probe(ctx, r)
}

// follow tells of changes, and takes robots on as they appear while the flag is
// on.
func (p *prober) follow(ctx context.Context, tell func([]api.Change)) {
	var group errgroup.Group
	group.SetLimit(parallel)
	p.state.Follow(ctx, p.log, nil, func(changes []api.Change) {
		tell(changes)
		for _, c := range changes {
			if c.Robot == nil || c.Robot.Lifecycle != robot.Discovered || !p.events() {
				continue
			}
			group.Go(func() error {
				if err := p.takeOn(ctx, *c.Robot); err != nil && ctx.Err() == nil {
					p.log.Warn("a robot was not taken on; the next sweep does it", "robot", c.RobotID, "error", err)
				}
				return nil
			})
		}
	})
	_ = group.Wait() // none of them fails
}

// sweepAll looks after all robots, again and again.
func (p *prober) sweepAll(ctx context.Context) {
	tick := time.NewTicker(p.cfg.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("the sweep was cut short", "error", err)
		}
	}
}

func (p *prober) sweep(ctx context.Context) error {
	all, err := p.state.Robots(ctx)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	now := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, r := range all {
		quiet := now.Sub(r.HeardAt.Time)
		if quiet >= robot.Silence && (r.Lifecycle == robot.Ready || r.Lifecycle == robot.Active || r.Lifecycle == robot.Maintenance) {
			group.Go(func() error { return p.silence(ctx, r) })
		}
		switch {
		case r.Lifecycle == robot.Discovered:
			group.Go(func() error { return p.takeOn(ctx, r) })
		case quiet >= p.cfg.ProbeAfter:
			group.Go(func() error { return p.probe(ctx, r) })
		}
	}
	return group.Wait() //nolint:wrapcheck // as above
}

// silence notes that a robot is silent: once, until it is heard of again.
func (p *prober) silence(ctx context.Context, r robot.Robot) error {
	silent := robot.Event{
		Key:     robot.NewKey(string(robot.Silent), r.ID, r.HeardAt.Format(time.RFC3339Nano)),
		RobotID: r.ID, Kind: robot.Silent, At: robot.At(time.Now()),
	}
	_, err := p.state.Append(ctx, []robot.Event{silent})
	return err //nolint:wrapcheck // it says what was done
}
