package teleoperation

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

// Config is read from the environment.
type Config struct {
	Addr        string `env:"TELEOPERATION_ADDR" envDefault:":8004"`
	DatabaseURL string `env:"DATABASE_URL"`
	// StateURLs are the state-managers, whether they run or not.
	StateURLs []string `env:"STATE_URLS" envDefault:"http://127.0.0.1:8002"`
	// MigrationConfig is the path of migration_config.yaml.
	MigrationConfig string `env:"MIGRATION_CONFIG" envDefault:"migration_config.yaml"`
	// FaultsFile says what to do wrong, for drills (service.Faults); "" nothing.
	FaultsFile string `env:"FAULTS_FILE"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`
}

const poolSize = 8

type server struct {
	cfg      Config
	log      *slog.Logger
	flags    *rollout.File
	state    *stateclient.Client
	sessions *sessions
	robots   *robots
	quality  *quality
	active   *prometheus.GaugeVec
}

// Run serves until ctx ends, writes what it has accepted, and returns. It starts
// while PostgreSQL or the state-manager is away.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	flags, err := rollout.Open(cfg.MigrationConfig)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	state, err := stateclient.New(cfg.StateURLs)
	if err != nil {
		return err //nolint:wrapcheck // it names the setting
	}
	pool, err := database.Open(ctx, cfg.DatabaseURL, "teleoperation-service", poolSize)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	defer pool.Close()
	own := &sessions{pool}
	s := &server{
		cfg: cfg, log: log, flags: flags, state: state, sessions: own,
		robots: &robots{state: state, sessions: own, log: log}, quality: &quality{sessions: own, log: log},
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "teleoperation_sessions_active", Help: "Sessions that have not ended; absent when unknown.",
		}, []string{"system"}),
	}
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	defer served()
	var work sync.WaitGroup
	work.Go(func() { flags.Watch(ctx, log, nil) })
	work.Go(func() { s.robots.follow(ctx) })
	work.Go(func() { s.robots.reviewAll(ctx) })
	work.Go(func() { s.count(ctx) })
	work.Go(func() { s.quality.run(serving) })
	log.Info("teleoperation-service serves", "addr", cfg.Addr, "version", cfg.Release, "flags", flags.Config().On)
	err = service.Serve(ctx, cfg.Addr, s.pages())
	served()
	work.Wait()
	log.Info("teleoperation-service drained")
	return err //nolint:wrapcheck // it says what was done
}

func (s *server) pages() http.Handler {
	p := service.NewPages(service.New, "teleoperation-service")
	p.Faults = service.FaultsIn(s.cfg.FaultsFile)
	p.Registry.MustRegister(s.active)
	p.Handle("GET "+api.PathHealth, s.health)
	p.Handle("GET "+api.PathSessions, s.list)
	p.Handle("POST "+api.PathSessions, s.start)
	p.Handle("GET "+api.PathSessions+"/{id}", s.get)
	p.Handle("DELETE "+api.PathSessions+"/{id}", s.stop)
	p.Handle("POST "+api.PathSessions+"/{id}/quality", s.measure)
	return p
}

// count keeps the gauge current.
func (s *server) count(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if n, err := s.sessions.active(ctx); err != nil {
			s.active.Reset() // an old number would pass for a new one
		} else {
			s.active.WithLabelValues(service.New).Set(float64(n))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *server) optimized() bool { return s.flags.Flag(rollout.TeleoperationOptimization) }

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	on := s.optimized()
	h := api.Health{
		Status: api.Healthy, Service: "teleoperation-service", System: service.New, Version: s.cfg.Release,
		Flags: map[string]bool{rollout.TeleoperationOptimization: on},
		Detail: map[string]any{
			"robots":   map[bool]string{true: "copied", false: "asked for"}[on],
			"quality":  map[bool]string{true: "written once a second", false: "written each time"}[on],
			"database": "connected", "state_manager": "available",
		},
	}
	if err := database.Ping(r.Context(), s.sessions.pool); err != nil {
		h.Status, h.Detail["database"] = api.Degraded, "disconnected"
	}
	if err := s.state.Ping(r.Context()); err != nil {
		h.Status, h.Detail["state_manager"] = api.Degraded, "unavailable"
	}
	if err := s.flags.Problem(); err != nil {
		h.Detail["migration_config"] = err.Error()
	}
	service.ReplyHealth(w, h)
}
