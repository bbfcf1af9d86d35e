package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/logs"
	"github.com/segue-run/segue/runbook"
)

// logsEvery is how often it is looked for new lines.
const logsEvery = 300 * time.Millisecond

func (a *app) logsCommand() *cobra.Command {
	var vals values
	var follow bool
	var most int
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "logs RUNBOOK [WORKLOAD…]",
		Short: "Show what the workloads of a runbook's connections write to their logs, as one log",
		Long: `Show what the workloads of a runbook's connections write to their logs, in the order
of the times in their lines; a line without one stays behind the one before it. A
workload is named as it is there, or by its service: discovery-service means all of
its replicas. Secrets that the runbook refers to are not shown.`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			keeps := func(c runbook.Conn) bool { return slices.Contains(c.Kind.Provides, "logs") }
			if !slices.ContainsFunc(rb.Connections, keeps) {
				return usage(fmt.Errorf("%s: no connection of the runbook has workloads with logs; one of kind process has", rb.File))
			}
			return a.planner().With(cmd.Context(), rb, keeps, func(conns []driver.Conn) error {
				var keepers []driver.LogKeeper
				for _, c := range conns {
					keepers = append(keepers, c.(driver.LogKeeper)) //nolint:forcetypeassert // its kind provides logs
				}
				p := logPrinter{out: redacting{a.stdout, &a.secrets}, of: args[1:], most: most}
				if since > 0 {
					p.from = time.Now().Add(-since)
				}
				return p.run(cmd.Context(), logs.Merge(keepers), follow)
			})
		},
	}
	vals.flags(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written from now on")
	cmd.Flags().IntVarP(&most, "lines", "n", 100, "show so many of the newest lines at first; 0 is all that are kept")
	cmd.Flags().DurationVar(&since, "since", 0, "show no line that says it is older than this, such as 10m")
	return cmd
}

// logPrinter writes lines behind the names of their workloads.
type logPrinter struct {
	out   io.Writer
	of    []string // workloads, or services; none: all
	most  int
	from  time.Time
	width int
}

func (p *logPrinter) run(ctx context.Context, all *logs.Merged, follow bool) error {
	tick := time.NewTicker(logsEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		found, err := all.Next(ctx)
		switch {
		case ctx.Err() != nil && follow: // that is how it ends
			return nil
		case err != nil:
			return err
		}
		lines := logs.Since(slices.DeleteFunc(found, p.leaves), p.from)
		if first && len(p.of) > 0 && len(lines) == 0 && !follow {
			return errors.New("no line of " + strings.Join(p.of, ", ") + " is kept")
		}
		if first && p.most > 0 && len(lines) > p.most {
			lines = lines[len(lines)-p.most:]
		}
		if err := p.print(lines); err != nil {
			return err
		}
		if !follow {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// leaves says whether a line is of a workload that was not asked for.
func (p *logPrinter) leaves(l logs.Line) bool {
	if len(p.of) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.of, func(name string) bool {
		replica, ok := strings.CutPrefix(l.Workload, name)
		return ok && strings.Trim(replica, "-0123456789") == ""
	})
}

func (p *logPrinter) print(lines []logs.Line) error {
	for _, l := range lines {
		p.width = max(p.width, len(l.Workload))
	}
	for _, l := range lines {
		if l.Gap {
			if _, err := fmt.Fprintf(p.out, "%-*s | … more was written here than is kept\n", p.width, l.Workload); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(p.out, "%-*s | %s\n", p.width, l.Workload, l.Text); err != nil {
			return err
		}
	}
	return nil
}
