package system

import (
	"context"
	"fmt"
	"io"
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
		Postgres: host(s.Env.DatabaseURL), Redis: host(s.Env.RedisURL), Prometheus: s.Env.PrometheusURL, NGINX: s.Env.EdgeURL,
	}
	for _, in := range s.instances() {
		where[in.name] = in.url
	}
	where[Instance(Monitor, 0)] += "  sockets " + s.Env.MonitorWSURL
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
