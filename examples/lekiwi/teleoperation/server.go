package teleoperation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/robot"
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

func (s *server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.log.Warn("unavailable", "path", r.URL.Path, "error", err)
	}
	service.Unavailable(w, "sessions are not available")
}

// find finds a robot: in the copy, or where it is kept.
func (s *server) find(ctx context.Context, id string) (robot.Robot, bool, error) {
	if s.optimized() {
		if found, exists, whole := s.robots.get(id); whole && exists {
			return found, true, nil
		}
	}
	return s.state.Robot(ctx, id)
}

const maxBody = 64 << 10

func (s *server) start(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.SessionStart
	err := robot.Decode(body, &in)
	switch {
	case err != nil:
	case in.RobotID == "":
		err = &robot.InvalidError{Field: "robot_id", Why: "is missing"}
	case in.Operator == "":
		err = &robot.InvalidError{Field: "operator", Why: "is missing"}
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	found, exists, err := s.find(r.Context(), in.RobotID)
	switch {
	case err != nil:
		s.unavailable(w, r, err)
		return
	case !exists:
		service.Missing(w, "robot "+strconv.Quote(in.RobotID))
		return
	case found.Status != robot.Online:
		service.Reply(w, http.StatusConflict, api.Error{Error: fmt.Sprintf("robot %q is %s", in.RobotID, found.Status), Field: "robot_id"})
		return
	}
	session, err := s.sessions.start(r.Context(), in.RobotID, in.Operator)
	switch {
	case errors.Is(err, errTaken):
		service.Reply(w, http.StatusConflict, api.Error{Error: fmt.Sprintf("robot %q is driven by %s in session %s", in.RobotID, session.Operator, session.ID), Field: "robot_id"})
	case database.Refuses(err):
		service.Refuse(w, errors.New("the database does not take it"))
	case err != nil:
		s.unavailable(w, r, err)
	default:
		service.Reply(w, http.StatusCreated, session)
	}
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	active, err := strconv.ParseBool(cmp.Or(query.Get("active"), "false"))
	if err != nil {
		service.Refuse(w, fmt.Errorf("active is %q: want true or false", query.Get("active")))
		return
	}
	found, err := s.sessions.list(r.Context(), query.Get("robot_id"), active)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.Reply(w, http.StatusOK, api.Sessions{Sessions: found})
}

// reply answers with one session.
func (s *server) reply(w http.ResponseWriter, r *http.Request, found api.Session, exists bool, err error) {
	switch {
	case err != nil:
		s.unavailable(w, r, err)
	case !exists:
		service.Missing(w, "session "+strconv.Quote(r.PathValue("id")))
	default:
		service.Reply(w, http.StatusOK, found)
	}
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	found, exists, err := s.sessions.get(r.Context(), r.PathValue("id"))
	s.reply(w, r, found, exists, err)
}

func (s *server) stop(w http.ResponseWriter, r *http.Request) {
	s.quality.flush(r.Context()) // its last sample comes before its end
	found, exists, err := s.sessions.stop(r.Context(), r.PathValue("id"))
	s.reply(w, r, found, exists, err)
}

// measure takes a sample of a session's quality: 200 with the session when it
// is written, 202 when it will be.
func (s *server) measure(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.Quality
	err := robot.Decode(body, &in)
	switch {
	case err != nil:
	case !(in.LatencyMS >= 0):
		err = &robot.InvalidError{Field: "latency_ms", Why: "must not be negative"}
	case !(in.PacketLoss >= 0 && in.PacketLoss <= 1):
		err = &robot.InvalidError{Field: "packet_loss", Why: "must be from 0 to 1"}
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	id := r.PathValue("id")
	now := sample{ID: id, Latency: in.LatencyMS, Loss: in.PacketLoss, At: time.Now().UTC()}
	if s.optimized() && s.quality.has(id) {
		s.quality.put(now)
		service.Reply(w, http.StatusAccepted, in)
		return
	}
	found, exists, err := s.sessions.get(r.Context(), id)
	switch {
	case err != nil || !exists:
		s.reply(w, r, found, exists, err)
		return
	case found.EndedAt != nil:
		service.Reply(w, http.StatusConflict, api.Error{Error: "session " + id + " has ended"})
		return
	case s.optimized():
		s.quality.put(now)
		service.Reply(w, http.StatusAccepted, in)
		return
	}
	written, err := s.sessions.measured(r.Context(), []sample{now})
	found, exists, err = one(written, err)
	s.reply(w, r, found, exists, err)
}
