package legacy

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/socket"
)

type server struct {
	cfg    Config
	fleet  *fleet
	client *http.Client
	polls  *prometheus.CounterVec
}

// Run serves until ctx ends. What it knew then is gone.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	hub := &socket.Hub{}
	s := &server{
		cfg: cfg, client: &http.Client{},
		fleet: newFleet(func(c []api.Change) { hub.Tell(c, true) }),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "legacy_polls_total", Help: "Robots asked, one after the other.",
		}, []string{"result"}),
	}
	sockets := &socket.Server{Take: s.takeMessage, Hub: hub, Mode: func() string { return api.ModePoll }, Log: log}
	// Who is connected is told goodbye before the last request is answered.
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	defer served()
	var work sync.WaitGroup
	work.Go(func() { s.poll(ctx) })
	work.Go(func() { sockets.Run(ctx) })
	work.Go(func() {
		tick := time.NewTicker(socket.FlushEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				hub.Flush()
			case <-serving.Done():
				return
			}
		}
	})
	log.Info("legacy serves", "addr", cfg.Addr, "version", cfg.Release)
	err := service.Serve(ctx, cfg.Addr, s.pages(sockets))
	served()
	work.Wait()
	log.Info("legacy drained")
	return err //nolint:wrapcheck // it says what was done
}

func (s *server) pages(sockets *socket.Server) http.Handler {
	p := service.NewPages(service.Legacy, "legacy")
	s.measure(p.Registry, sockets)
	p.Handle("GET "+api.PathHealth, s.health)
	p.Handle("GET "+api.PathRobots, s.list)
	p.Handle("GET "+api.PathRobotCount, s.count)
	p.Handle("GET "+api.PathRobots+"/{id}", s.robot)
	p.Handle("DELETE "+api.PathRobots+"/{id}", s.remove)
	p.Handle("GET "+api.PathDeployments, s.deployments)
	p.Handle("POST "+api.PathRobotStatus, s.status)
	p.Handle("POST "+api.PathImport, s.imports)
	p.HandleSocket(api.PathWebSocket, sockets.ServeHTTP)
	return p
}

// locked gives what is read under the one lock.
func locked[T any](s *server, read func() T) T {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	return read()
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	n := locked(s, func() int { return len(s.fleet.robots) })
	service.ReplyHealth(w, api.Health{
		Status: api.Healthy, Service: "legacy", System: service.Legacy, Version: s.cfg.Release,
		Detail: map[string]any{"robots": n, "polling": "one after the other"},
	})
}

func (s *server) list(w http.ResponseWriter, _ *http.Request) {
	service.Reply(w, http.StatusOK, locked(s, s.fleet.list))
}

func (s *server) count(w http.ResponseWriter, _ *http.Request) {
	service.Reply(w, http.StatusOK, locked(s, s.fleet.count))
}

func (s *server) deployments(w http.ResponseWriter, _ *http.Request) {
	service.Reply(w, http.StatusOK, locked(s, s.fleet.newestDeployments))
}

func (s *server) robot(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.fleet.mu.Lock()
	found, exists := s.fleet.robots[id]
	s.fleet.mu.Unlock()
	if !exists {
		service.Missing(w, "robot "+strconv.Quote(id))
		return
	}
	service.Reply(w, http.StatusOK, found)
}

func (s *server) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !locked(s, func() bool { return s.fleet.remove(id) }) {
		service.Missing(w, "robot "+strconv.Quote(id))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, api.MaxMessage)
	if !ok {
		return
	}
	var h api.Heartbeat
	err := robot.Decode(body, &h)
	if err == nil {
		err = s.take(&h.Record)
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	service.Reply(w, http.StatusOK, api.Accepted{Status: api.StatusOK, ID: h.ID})
}

// take brings a record into form and takes it over.
func (s *server) take(r *robot.Record) error {
	if err := r.Normalize(); err != nil {
		return err //nolint:wrapcheck // it names the field
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	s.fleet.take(*r, time.Now())
	return nil
}

// bringIn takes a record over unless a newer one is there.
func (s *server) bringIn(r *robot.Record) error {
	if err := r.Normalize(); err != nil {
		return err //nolint:wrapcheck // it names the field
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	if known, there := s.fleet.robots[r.ID]; !there || r.LastSeen.After(known.LastSeen.Time) {
		s.fleet.take(*r, time.Now())
	}
	return nil
}

func (s *server) takeMessage(h api.Heartbeat, done func(error)) { done(s.take(&h.Record)) }

// maxImport bounds the body of an import.
const maxImport = 64 << 20

func (s *server) imports(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxImport)
	if !ok {
		return
	}
	var in api.Robots
	if err := robot.Decode(body, &in); err != nil {
		service.Refuse(w, err)
		return
	}
	var out api.Imported
	for i := range in.Robots {
		if err := s.bringIn(&in.Robots[i]); err != nil {
			out.Rejected = append(out.Rejected, api.Reject(i, err))
			continue
		}
		out.Imported++
	}
	service.Reply(w, http.StatusOK, out)
}

func (s *server) measure(to prometheus.Registerer, sockets *socket.Server) {
	who := func(more string) prometheus.Labels {
		l := prometheus.Labels{"system": service.Legacy}
		if more != "" {
			l["type"] = more
		}
		return l
	}
	to.MustRegister(s.polls)
	for _, t := range robot.Types() {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "robots_total", Help: "Robots that the system knows.", ConstLabels: who(string(t)),
		}, func() float64 { return float64(locked(s, s.fleet.count).ByType[t]) }))
	}
	to.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "teleoperation_sessions_active", Help: "Robots that are driven.", ConstLabels: who(""),
		}, func() float64 { return float64(locked(s, s.fleet.count).Teleoperation) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "websocket_connections", Help: "WebSockets that are open.", ConstLabels: who(""),
		}, func() float64 { return float64(sockets.Count()) }),
	)
}
