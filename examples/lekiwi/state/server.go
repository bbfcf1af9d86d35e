package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
)

// poolSize is how many connections an instance has: one writes, one listens,
// the others read.
const poolSize = 12

type server struct {
	cfg    Config
	log    *slog.Logger
	flags  *rollout.File
	store  *store
	writer *writer
	cache  *cache
	feed   *feed
	ending context.Context // done when the service is to end
}

// Run serves until ctx ends, then writes what it has taken and returns. It starts
// while PostgreSQL or Redis is away.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	flags, err := rollout.Open(cfg.MigrationConfig)
	if err != nil {
		return err
	}
	pool, err := database.Open(ctx, cfg.DatabaseURL, "state-manager", poolSize)
	if err != nil {
		return err
	}
	defer pool.Close()
	cache, err := newCache(cfg.RedisURL, cfg.CacheTTL, log)
	if err != nil {
		return err
	}
	defer cache.client.Close()
	st := &store{pool}
	s := &server{
		cfg: cfg, log: log, flags: flags, store: st, cache: cache, feed: newFeed(st, log),
		writer: newWriter(st, cfg.FlushTime, log, cache.put), ending: ctx,
	}

	// The writer and the cache go on until the last request was answered.
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	defer served()
	var work sync.WaitGroup
	lost := 0
	work.Go(func() { lost = s.writer.run(serving) })
	work.Go(func() { cache.run(serving) })
	work.Go(func() { s.feed.run(serving) })
	work.Go(func() { flags.Watch(serving, log, nil) })
	log.Info("state-manager serves", "addr", cfg.Addr, "version", cfg.Release, "flags", flags.Config().On)
	err = service.Serve(ctx, cfg.Addr, s.pages())
	served()
	work.Wait()
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d events were accepted and are lost: the database was away until the end", lost))
	}
	log.Info("state-manager drained")
	return err
}

func (s *server) pages() http.Handler {
	p := service.NewPages(service.New, "state-manager")
	p.Faults = service.FaultsIn(s.cfg.FaultsFile)
	s.measure(p.Registry)
	p.Handle("GET "+api.PathHealth, s.health)
	p.Handle("POST "+api.PathEvents, s.events)
	p.Handle("POST "+api.PathImport, s.imports)
	p.Handle("GET "+api.PathChanges, s.changes)
	p.Handle("GET "+api.PathV2Robots, s.page)
	p.Handle("GET "+api.PathV2Robots+"/{id}", s.robot)
	p.Handle("DELETE "+api.PathV2Robots+"/{id}", s.remove)
	p.Handle("GET "+api.PathRobotCount, s.count)
	p.Handle("GET "+api.PathDeployments, s.deployments)
	p.Handle("GET "+api.PathSyncStatus, s.syncStatus)
	p.Handle("GET "+api.PathRobotCheck, s.robotCheck)
	return p
}

// unavailable answers for an error of the database.
func (s *server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.log.Warn("unavailable", "path", r.URL.Path, "error", err)
	}
	service.Unavailable(w, "the state is not available")
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	on := s.flags.Flag(rollout.PersistentState)
	h := api.Health{
		Status: api.Healthy, Service: "state-manager", System: service.New, Version: s.cfg.Release,
		Flags: map[string]bool{rollout.PersistentState: on},
		Detail: map[string]any{
			"writes": map[bool]string{true: "through", false: "behind"}[on], "pending_events": s.writer.pending(),
			"database": "connected", "cache": "trusted",
		},
	}
	if !s.cache.trusted() {
		h.Detail["cache"] = "away" // reads are slower, and as right
	}
	if err := database.Ping(r.Context(), s.store.pool); err != nil {
		h.Status, h.Detail["database"] = api.Degraded, "disconnected"
	}
	if err := s.flags.Problem(); err != nil {
		h.Detail["migration_config"] = err.Error()
	}
	service.ReplyHealth(w, h)
}
