package tracker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
)

const (
	poolSize   = 4
	phaseEvery = time.Second
	pruneEvery = time.Hour
)

// Run serves until ctx ends.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	flags, err := rollout.Open(cfg.MigrationConfig)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	pool, err := database.Open(ctx, cfg.DatabaseURL, "migration-tracker", poolSize)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	defer pool.Close()
	opt, err := redis.ParseURL(cfg.RedisURL)
	if err != nil {
		return errors.New("REDIS_URL is not a URL of Redis") // which the error would show
	}
	opt.DialTimeout, opt.MaxRetries, opt.ContextTimeoutEnabled = lookTime, -1, true
	client := redis.NewClient(opt)
	defer client.Close()

	share := &split{}
	p := service.NewPages(service.New, "migration-tracker")
	p.Registry.MustRegister(&collector{pool: pool, redis: client, flags: flags, split: share})
	p.Handle("GET "+api.PathHealth, func(w http.ResponseWriter, r *http.Request) {
		h := api.Health{
			Status: api.Healthy, Service: "migration-tracker", System: service.New, Version: cfg.Release,
			Detail: map[string]any{"phase": flags.Config().Phase, "database": "connected"},
		}
		if err := database.Ping(r.Context(), pool); err != nil {
			h.Status, h.Detail["database"] = api.Degraded, "disconnected"
		}
		if err := flags.Problem(); err != nil {
			h.Detail["migration_config"] = err.Error()
		}
		service.ReplyHealth(w, h)
	})
	edge := &edgeLog{path: cfg.EdgeLog, pool: pool, log: log, split: share}
	group, ctx := errgroup.WithContext(ctx)
	every := func(pause time.Duration, what string, do func() error) {
		group.Go(func() error {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for away := false; ; {
				err := do()
				if err != nil && !away && ctx.Err() == nil {
					log.Warn(what, "error", err)
				}
				away = err != nil
				select {
				case <-tick.C:
				case <-ctx.Done():
					return nil
				}
			}
		})
	}
	group.Go(func() error { flags.Watch(ctx, log, nil); return nil })
	group.Go(func() error { edge.run(ctx); return nil })
	every(phaseEvery, "the phase waits", func() error { return notePhase(ctx, pool, flags.Config().Phase) })
	every(pruneEvery, "old requests stay", func() error { return prune(ctx, pool, cfg.Keep) })
	group.Go(func() error { return service.Serve(ctx, cfg.Addr, p) })
	log.Info("migration-tracker serves", "addr", cfg.Addr, "version", cfg.Release)
	return group.Wait() //nolint:wrapcheck // it says what was done
}
