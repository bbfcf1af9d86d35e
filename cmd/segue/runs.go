package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

// listed is a run in the list.
type listed struct {
	journal.Summary
	Status engine.Status `json:"status,omitempty"` // "" when its journal cannot be folded
	Why    string        `json:"why,omitempty"`
}

func (a *app) runsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "runs", Short: "List the runs, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.openReader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			runs, err := a.list(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(runs)
			}
			w := tabwriter.NewWriter(redacting{a.stdout, &a.secrets}, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "RUN\tRUNBOOK\tSTATUS\tSTARTED (UTC)\tLAST EVENT\tCARRIED OUT BY")
			for _, run := range runs {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s ago\t%s\n", run.Run, run.Name, run.words(),
					run.Created.UTC().Format(time.DateTime), report.Span(time.Since(run.Last)), run.Holder)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return cmd
}

func (l listed) words() string {
	if l.Status == "" {
		return "unreadable: " + l.Why
	}
	return string(l.Status)
}

// list tells of each run how it stands; one that cannot be read is told as
// such and hides no other.
func (a *app) list(ctx context.Context, r journal.Reader) ([]listed, error) {
	runs, err := r.Runs(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	out := []listed{}
	for _, run := range runs {
		l := listed{Summary: run}
		if dead(l.Holder) {
			l.Holder = ""
		}
		h, err := runner.Load(ctx, r, a.catalog, run.Run)
		if err != nil {
			l.Why = err.Error()
		} else {
			l.Status = h.State.Status
			if h.State.Pause != nil {
				l.Why = h.State.Pause.Why
			}
		}
		out = append(out, l)
	}
	return out, nil
}
