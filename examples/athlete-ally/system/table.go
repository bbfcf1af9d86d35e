package system

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable prints what runs where; no secret is in it.
func (s *System) WriteTable(ctx context.Context, w io.Writer) error {
	processes, err := s.Processes(ctx)
	if err != nil {
		return err
	}
	where := map[string]string{
		Postgres: host(s.Env.DatabaseURL), Prometheus: s.Env.PrometheusURL, Ingest: s.Env.IngestURL,
	}
	for i, u := range s.Env.GreenURLs {
		where[Green(i)] = u + "  metrics " + s.Env.GreenMetricsURLs[i]
	}
	for i, u := range strings.Split(s.Env.NATSURL, ",") {
		where[nodeName(i)] = "nats://" + host(u)
	}
	for i, u := range s.Env.NormalizeURLs {
		where[Normalize(i)] = u + "  metrics " + s.Env.MetricsURLs[i]
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PROCESS\tSTATUS\tPID\tWHERE")
	for _, p := range processes {
		pid := "-"
		if p.IsRunning {
			pid = strconv.Itoa(p.PID)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", p.Name, strings.ToLower(p.Status), pid, where[p.Name])
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.Host
}
