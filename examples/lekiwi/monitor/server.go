package monitor

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/intake"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/socket"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

// Config is read from the environment.
type Config struct {
	Addr          string `env:"MONITOR_ADDR" envDefault:":8003"`
	WebSocketAddr string `env:"MONITOR_WS_ADDR" envDefault:":9001"`
	// StateURLs are the state-managers, whether they run or not.
	StateURLs []string `env:"STATE_URLS" envDefault:"http://127.0.0.1:8002"`
	// MigrationConfig is the path of migration_config.yaml.
	MigrationConfig string `env:"MIGRATION_CONFIG" envDefault:"migration_config.yaml"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`
}

type server struct {
	cfg     Config
	flags   *rollout.File
	state   *stateclient.Client
	sockets *socket.Server
	hub     *socket.Hub
	changes atomic.Int64
	// following is closed once all that changes is told; sockets are taken then,
	// or a change could be kept of which no watcher hears.
	following chan struct{}
}

// Run serves until ctx ends, says goodbye to all who watch, and returns.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	flags, err := rollout.Open(cfg.MigrationConfig)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	state, err := stateclient.New(cfg.StateURLs)
	if err != nil {
		return err //nolint:wrapcheck // it names the setting
	}
	in := intake.New(state, log)
	s := &server{cfg: cfg, flags: flags, state: state, hub: &socket.Hub{}, following: make(chan struct{})}
	s.sockets = &socket.Server{Take: in.Take, Hub: s.hub, Mode: s.mode, Log: log}

	// The intake goes on until the last socket was answered.
	taking, taken := context.WithCancel(context.WithoutCancel(ctx))
	defer taken()
	var take sync.WaitGroup
	take.Go(func() { in.Run(taking) })
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { flags.Watch(ctx, log, s.turned); return nil })
	group.Go(func() error { s.sockets.Run(ctx); return nil })
	group.Go(func() error { s.flush(ctx); return nil })
	group.Go(func() error {
		state.Follow(ctx, log, func() { close(s.following) }, func(c []api.Change) {
			s.changes.Add(int64(len(c)))
			s.hub.Tell(c, s.mode() == api.ModePoll)
		})
		return nil
	})
	group.Go(func() error { return service.Serve(ctx, cfg.Addr, s.pages()) })
	group.Go(func() error {
		select {
		case <-s.following:
		case <-ctx.Done():
			return nil
		}
		mux := http.NewServeMux()
		mux.Handle("GET "+api.PathWebSocket, s.sockets)
		return service.Serve(ctx, cfg.WebSocketAddr, mux)
	})
	log.Info("websocket-monitor serves", "addr", cfg.Addr, "sockets", cfg.WebSocketAddr, "version", cfg.Release, "flags", flags.Config().On)
	err = group.Wait()
	taken()
	take.Wait()
	log.Info("websocket-monitor drained")
	return err //nolint:wrapcheck // it says what was done
}

func (s *server) mode() string {
	if s.flags.Flag(rollout.WebsocketMonitoring) {
		return api.ModePush
	}
	return api.ModePoll
}

// turned tells at once what had waited, when changes are pushed from now on.
func (s *server) turned(c rollout.Config) {
	if c.Flag(rollout.WebsocketMonitoring) {
		s.hub.Flush()
	}
}

func (s *server) flush(ctx context.Context) {
	tick := time.NewTicker(socket.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.hub.Flush()
		case <-ctx.Done():
			return
		}
	}
}

func (s *server) pages() http.Handler {
	p := service.NewPages(service.New, "websocket-monitor")
	p.Registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "websocket_connections", Help: "WebSockets that are open.", ConstLabels: prometheus.Labels{"system": service.New},
		}, func() float64 { return float64(s.sockets.Count()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "websocket_dropped_total", Help: "WebSockets that were dropped for their silence.",
		}, func() float64 { return float64(s.sockets.Dropped()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "monitor_changes_total", Help: "Changes of robots that watchers can be told of.",
		}, func() float64 { return float64(s.changes.Load()) }),
	)
	p.Handle("GET "+api.PathHealth, s.health)
	return p
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	h := api.Health{
		Status: api.Healthy, Service: "websocket-monitor", System: service.New, Version: s.cfg.Release,
		Flags:  map[string]bool{rollout.WebsocketMonitoring: s.flags.Flag(rollout.WebsocketMonitoring)},
		Detail: map[string]any{"changes": s.mode(), "connections": s.sockets.Count(), "state_manager": "available"},
	}
	if err := s.state.Ping(r.Context()); err != nil {
		h.Status, h.Detail["state_manager"] = api.Degraded, "unavailable"
	}
	select {
	case <-s.following:
	default:
		h.Status, h.Detail["sockets"] = api.Degraded, "none are taken before changes are followed"
	}
	if err := s.flags.Problem(); err != nil {
		h.Detail["migration_config"] = err.Error()
	}
	service.ReplyHealth(w, h)
}
