package discovery

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/intake"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/socket"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

type server struct {
	cfg    Config
	log    *slog.Logger
	flags  *rollout.File
	state  *stateclient.Client
	intake *intake.Intake
	prober *prober
	lists  *lists
}

// Run serves until ctx ends, answers for every heartbeat that it has taken, and
// returns. It starts while no state-manager is available.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	flags, err := rollout.Open(cfg.MigrationConfig)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	state, err := stateclient.New(cfg.StateURLs)
	if err != nil {
		return err //nolint:wrapcheck // it names the setting
	}
	s := &server{cfg: cfg, log: log, flags: flags, state: state, intake: intake.New(state, log), lists: &lists{state: state}}
	s.prober = newProber(cfg, state, log, func() bool { return flags.Flag(rollout.EventDrivenDiscovery) })
	hub := &socket.Hub{}
	sockets := &socket.Server{Take: s.intake.Take, Hub: hub, Log: log}

	// The intake goes on until the last request and socket were answered.
	taking, taken := context.WithCancel(context.WithoutCancel(ctx))
	defer taken()
	var work, take sync.WaitGroup
	take.Go(func() { s.intake.Run(taking) })
	work.Go(func() { flags.Watch(ctx, log, nil) })
	work.Go(func() { sockets.Run(ctx) })
	work.Go(func() { s.prober.follow(ctx, func(c []api.Change) { hub.Tell(c, false) }) })
	work.Go(func() { s.prober.sweepAll(ctx) })
	log.Info("discovery-service serves", "addr", cfg.Addr, "version", cfg.Release, "flags", flags.Config().On)
	err = service.Serve(ctx, cfg.Addr, s.pages(sockets))
	work.Wait()
	taken()
	take.Wait()
	log.Info("discovery-service drained")
	return err //nolint:wrapcheck // it says what was done
}

func (s *server) pages(sockets *socket.Server) http.Handler {
	p := service.NewPages(service.New, "discovery-service")
	p.Faults = service.FaultsIn(s.cfg.FaultsFile)
	p.Registry.MustRegister(s.prober.probes,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "websocket_connections", Help: "WebSockets that are open.", ConstLabels: prometheus.Labels{"system": service.New},
		}, func() float64 { return float64(sockets.Count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "discovery_heartbeats_pending", Help: "Heartbeats that wait for a state-manager.",
		}, func() float64 { return float64(s.intake.Pending()) }),
	)
	// What only the new system has.
	p.Handle("GET "+api.PathHealth, s.health)
	p.Handle("GET "+api.PathV2Health, s.health)
	p.Handle("GET "+api.PathV2Metrics, p.Metrics().ServeHTTP)
	p.Handle("GET "+api.PathV2Robots, s.page)
	p.Handle("GET "+api.PathV2Robots+"/{id}", s.robot)
	p.Handle("GET "+api.PathV2Discover+"/{ip}", s.discover)
	p.Handle("POST "+api.PathV2Discover+"/{ip}", s.discover)
	p.Handle("POST "+api.PathV2Heartbeats, s.heartbeats)
	// What the legacy system has.
	p.Handle("GET "+api.PathRobots, s.legacyList)
	p.Handle("GET "+api.PathRobotCount, s.count)
	p.Handle("GET "+api.PathRobots+"/{id}", s.legacyRobot)
	p.Handle("DELETE "+api.PathRobots+"/{id}", s.remove)
	p.Handle("GET "+api.PathDeployments, s.deployments)
	p.Handle("POST "+api.PathRobotStatus, s.status)
	p.Handle("POST "+api.PathImport, s.imports)
	p.HandleSocket(api.PathWebSocket, sockets.ServeHTTP)
	return p
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	on := s.flags.Flag(rollout.EventDrivenDiscovery)
	h := api.Health{
		Status: api.Healthy, Service: "discovery-service", System: service.New, Version: s.cfg.Release,
		Flags: map[string]bool{rollout.EventDrivenDiscovery: on},
		Detail: map[string]any{
			"discovery": map[bool]string{true: "events", false: "sweep"}[on], "pending_heartbeats": s.intake.Pending(), "state_manager": "available",
		},
	}
	if err := s.state.Ping(r.Context()); err != nil {
		h.Status, h.Detail["state_manager"] = api.Degraded, "unavailable"
	}
	if err := s.flags.Problem(); err != nil {
		h.Detail["migration_config"] = err.Error()
	}
	service.ReplyHealth(w, h)
}
