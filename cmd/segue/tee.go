package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/edge/tee"
)

func (a *app) teeCommand() *cobra.Command {
	var o tee.Options
	var listen, status string
	cmd := &cobra.Command{
		Use:   "tee --to URL",
		Short: "Answer mirrored requests at once, and replay them to another system later",
		Long: `The workload behind nginx.shadow: it answers every copy of a request at once, and
replays it to another system from a bounded queue. What does not fit is dropped,
and counted. It carries copies only, never a client's request. Run it as a service
of its own, so that it outlives a run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serveTee(cmd.Context(), listen, status, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.To, "to", "", "the system to replay to, `http://host:port`")
	f.StringVar(&o.Live, "live", "", "the system that serves the clients, `http://host:port`: shadow.compare may ask it what is replayed, and compare")
	f.StringVar(&listen, "listen", "127.0.0.1:8998", "where copies come in: an `ADDRESS` of the loopback")
	f.StringVar(&status, "status", "127.0.0.1:8997", "serve /metrics and /status here, an `ADDRESS`")
	f.IntVar(&o.Queue, "queue", 1000, "how many copies wait at most")
	f.IntVar(&o.Workers, "workers", 8, "how many are replayed at a time")
	f.DurationVar(&o.Timeout, "timeout", 5*time.Second, "how long one replay may take")
	f.Int64Var(&o.Body, "body", 1<<20, "how many bytes a body may have")
	f.BoolVar(&o.Unsafe, "unsafe-methods", false, "also replay methods that change something")
	return cmd
}

func (a *app) serveTee(ctx context.Context, listen, status string, o tee.Options) error {
	t, err := tee.New(o)
	if err != nil {
		return usage(fmt.Errorf("--to, --live: %w", err))
	}
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return usage(fmt.Errorf("--listen: %q is no address of the loopback, and copies are for this machine's NGINX alone: write 127.0.0.1:8998", listen))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", t.Metrics)
	mux.HandleFunc("/compare", t.ServeComparison)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.Counts())
	})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	servers := []*http.Server{
		{Addr: listen, Handler: t, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute},
		{Addr: status, Handler: mux, ReadHeaderTimeout: 5 * time.Second},
	}
	for _, s := range servers {
		l, err := net.Listen("tcp", s.Addr)
		if err != nil {
			return fmt.Errorf("tee: %w", err)
		}
		defer s.Close()
		go func() { failed <- s.Serve(l) }()
	}
	go func() {
		select {
		case err := <-failed:
			if !errors.Is(err, http.ErrServerClosed) {
				fmt.Fprintln(a.stderr, "tee:", err)
			}
			cancel()
		case <-ctx.Done():
		}
	}()
	fmt.Fprintf(a.stderr, "copies at http://%s are replayed to %s; counts at http://%s/metrics\n", listen, o.To, status)
	t.Run(ctx)
	c := t.Counts()
	fmt.Fprintf(a.stderr, "%d copies: %d replayed, %d failed, %d dropped\n", c.In, c.Replayed, c.Failed, c.Dropped())
	return nil
}
