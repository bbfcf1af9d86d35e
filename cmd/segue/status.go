package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

const whichRun = `

RUN is an ID or its beginning, or a runbook's name (its newest run); default the
newest run that is not over, else the newest.`

func (a *app) statusCommand() *cobra.Command {
	return a.lookCommand("status [RUN]", "How a run stands: phases, steps, gates, guards, and what it waits for",
		func(l *looked) any {
			n := report.Status(l.history, l.state, l.decision, l.holder, l.now)
			n.Notices = report.Notices(l.told)
			return n
		})
}

// lookCommand makes a command that looks at a run once.
func (a *app) lookCommand(use, short string, see func(*looked) any) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: use, Short: short, Long: short + "." + whichRun, Args: cobra.MaximumNArgs(1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := a.openReader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		l, err := a.look(cmd.Context(), r, args)
		if err != nil {
			return err
		}
		seen := see(l)
		if asJSON {
			return a.printJSON(seen)
		}
		text := ""
		if s, ok := seen.(interface{ Text() string }); ok {
			text = s.Text()
		}
		_, err = io.WriteString(redacting{a.stdout, &a.secrets}, text)
		return err
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// looked is a run as a look at its journal finds it.
type looked struct {
	history  *runner.History
	state    *engine.State // with the latest readings
	decision engine.Decision
	holder   string // who carries it out, "" when nobody does
	told     []journal.Delivery
	now      time.Time
}

// look reads a run's journal and its latest readings. It holds nobody up.
func (a *app) look(ctx context.Context, r journal.Reader, args []string) (*looked, error) {
	id, err := resolve(ctx, r, arg(args))
	if err != nil {
		return nil, usage(err)
	}
	h, err := runner.Load(ctx, r, a.catalog, id)
	if err != nil {
		return nil, err
	}
	l := &looked{history: h, now: time.Now()}
	if l.holder, err = holderOf(ctx, r, id); err != nil {
		return nil, err
	}
	if l.told, err = r.Deliveries(ctx, id); err != nil {
		return nil, err
	}
	last := h.Events[len(h.Events)-1].At
	since := l.now
	if l.holder == "" || h.State.Status.Final() {
		since = last
	}
	stored, err := r.Readings(ctx, id, "", since.Add(-report.Window(h.Runbook)))
	if err != nil {
		return nil, fmt.Errorf("read the readings of run %s: %w", id, err)
	}
	seen := report.Readings(stored)
	at := l.now
	if l.holder == "" {
		// Nothing has counted since its last sign of life.
		if at = last; len(seen) > 0 && seen[len(seen)-1].Reading.At.After(at) {
			at = seen[len(seen)-1].Reading.At
		}
	}
	l.state, l.decision = report.Live(h, seen, at)
	return l, nil
}

func arg(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// holderOf is who carries a run out; a process that is no more does not.
func holderOf(ctx context.Context, r journal.Reader, id string) (string, error) {
	runs, err := r.Runs(ctx, time.Now())
	if err != nil {
		return "", err
	}
	for _, run := range runs {
		if run.Run == id && !dead(run.Holder) {
			return run.Holder, nil
		}
	}
	return "", nil
}
