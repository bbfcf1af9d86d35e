package ingest

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

	"github.com/segue-run/segue/examples/athlete-ally/publish"
)

const (
	duplicateWindow = 2 * time.Minute
	drainTime       = 8 * time.Second
)

type server struct {
	cfg       Config
	log       *slog.Logger
	nc        *nats.Conn
	publisher publish.Publisher
	recent    *recent
	owners    *owners
	metrics   *metrics
}

// Run serves until ctx ends, then answers what is in flight and returns. It
// starts while NATS is away, and says so in its health.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	nc, err := nats.Connect(cfg.NATSURL,
		nats.Name("ingest"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(2*time.Second),
		// What cannot be sent now fails now and is tried again: a message kept
		// in a buffer would arrive after its caller was told 503.
		nats.ReconnectBufSize(-1),
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
	s := &server{
		cfg: cfg, log: log, nc: nc,
		publisher: publish.Publisher{JS: js, Budget: cfg.PublishBudget, Timeout: cfg.PublishTimeout},
		recent:    newRecent(duplicateWindow, time.Now),
		owners:    newOwners(),
		metrics:   newMetrics(),
	}
	return s.serve(ctx)
}

func (s *server) serve(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan error, 1)
	go func() { stopped <- web.Serve(listener) }()
	s.log.Info("ingest serves", "addr", listener.Addr().String(), "version", s.cfg.Release, "signed", s.cfg.OuraSecret != "")
	select {
	case err := <-stopped:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := web.Shutdown(drain); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	s.log.Info("ingest drained")
	return nil
}
