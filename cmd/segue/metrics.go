package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
)

func (a *app) metricsCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "metrics [RUN]",
		Short: "How runs stand, as a metrics page for Prometheus",
		Long: `Print how runs stand, as a metrics page for Prometheus, or serve it. Without RUN
these are the runs that are not over, and else the newest. It reads the journal:
no run is held up, and none needs it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if listen != "" {
				return a.serveMetrics(cmd.Context(), listen, args)
			}
			raw, err := a.metrics(cmd.Context(), args)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write([]byte(a.secrets.Redact(string(raw))))
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "serve http://`ADDRESS`/metrics, such as 127.0.0.1:9464, until interrupted")
	return cmd
}

func (a *app) metrics(ctx context.Context, args []string) ([]byte, error) {
	r, err := a.openReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ids, err := shown(ctx, r, args)
	if err != nil {
		return nil, err
	}
	var all []report.Now
	for _, id := range ids {
		l, err := a.look(ctx, r, []string{id})
		if err != nil {
			return nil, err
		}
		all = append(all, report.Status(l.history, l.state, l.decision, l.holder, l.now))
	}
	return report.Metrics(all), nil
}

// shown are the runs that a page is about.
func shown(ctx context.Context, r journal.Reader, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	runs, err := r.Runs(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, run := range runs {
		if !run.Final {
			ids = append(ids, run.Run)
		}
	}
	if len(ids) == 0 && len(runs) > 0 {
		return []string{""}, nil // the newest
	}
	return ids, nil
}

// serveMetrics serves the page until ctx ends.
func (a *app) serveMetrics(ctx context.Context, address string, args []string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, req *http.Request) {
		raw, err := a.metrics(req.Context(), args)
		if err != nil {
			http.Error(w, a.secrets.Redact(err.Error()), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write([]byte(a.secrets.Redact(string(raw))))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintf(a.stdout, "metrics on http://%s/metrics\n", listener.Addr())
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics on %s: %w", address, err)
	}
	return nil
}
