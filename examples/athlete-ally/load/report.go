package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// report turns the seconds over until ctx ends. The channel gives what went
// wrong, once.
func (r *runner) report(ctx context.Context) (<-chan error, error) {
	file := ""
	if strings.Contains(r.cfg.Status, ":") {
		if err := r.serve(ctx); err != nil {
			return nil, err
		}
	} else {
		file = r.cfg.Status
	}
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		var failed error
		for {
			select {
			case <-ctx.Done():
				done <- errors.Join(failed, r.write(file))
				return
			case now := <-tick.C:
				r.stats.turn(now)
				r.journal.flush()
				failed = r.write(file)
				if r.cfg.Progress != nil {
					r.cfg.Progress(r.stats.read(now))
				}
			}
		}
	}()
	return done, nil
}

func (r *runner) write(file string) error {
	if file == "" {
		return nil
	}
	raw, err := json.Marshal(r.stats.read(time.Now()))
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if err := renameio.WriteFile(file, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

// serve answers GET with the statistics; on loopback, as they are for whoever
// asks.
func (r *runner) serve(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", r.cfg.Status)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	web := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(r.stats.read(time.Now())) // the caller has gone
		}),
	}
	context.AfterFunc(ctx, func() { _ = web.Close() })
	go func() { _ = web.Serve(listener) }()
	return nil
}
