package normalize

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Run works until ctx ends, finishes what is in flight and returns. It starts
// while NATS or the database is away.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	cfg, err := cfg.resolved()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(cfg.NATSURL,
		nats.Name("normalize"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(2*time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("NATS is away", "error", err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("NATS is back", "node", nc.ConnectedServerName()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS", "error", err) }),
	)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	st, err := openStore(ctx, cfg.DatabaseURL, cfg.Workers)
	if err != nil {
		return err
	}
	defer st.pool.Close()
	w := &worker{cfg: cfg, log: log, js: js, store: st, metrics: newMetrics()}
	w.databaseAway.Store(true) // until it has answered once
	b := &binder{
		cfg: cfg, durables: cfg.durables(), js: js, worker: w, log: log,
		bound: map[place]*running{}, failed: map[place]string{},
	}

	log.Info("normalize starts", "mode", cfg.Mode, "version", cfg.Release, "addr", cfg.Addr, "metrics", cfg.MetricsAddr)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { b.run(ctx); return nil })
	group.Go(func() error { return serve(ctx, cfg.Addr, pages(cfg, nc, b, w)) })
	group.Go(func() error { return serve(ctx, cfg.MetricsAddr, w.metrics.page()) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := nc.FlushTimeout(2 * time.Second); err != nil {
		log.Warn("the last acknowledgements may not have arrived", "error", err)
	}
	log.Info("normalize drained")
	return nil
}

func serve(ctx context.Context, addr string, handler http.Handler) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	return nil
}
