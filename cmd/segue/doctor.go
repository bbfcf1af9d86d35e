package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

// A diagnosis is one thing that the doctor looked at.
type diagnosis struct {
	What    string `json:"what"`
	Verdict string `json:"verdict"` // well, note, ill
	Detail  string `json:"detail,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

const (
	well = "well"
	note = "note" // worth knowing, nothing is broken
	ill  = "ill"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	var salvage string
	var vals values
	cmd := &cobra.Command{
		Use:   "doctor [RUNBOOK [NAME…]]",
		Short: "Examine the state directory; with a runbook: what is wrong, and what to do next",
		Long: `Without arguments, examine the state directory: who may read it, whether the
journal is as it was written, whether each run's events follow from one another,
whose leases are stale, and what was sealed and should be gone. Exits with 1 when
something is ill.

With a runbook, ask the checks of its doctor section now, of the troubles named or
of all: which symptoms are present, what is behind them and on what evidence, and
what to do next. Exits with 1 unless all symptoms are absent: unknown is not well.

It changes nothing.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && salvage != "":
				return usage(errors.New("--salvage is about the journal, not about a runbook: leave one of them out"))
			case len(args) > 0:
				return a.diagnose(cmd.Context(), args[0], args[1:], vals, asJSON)
			case len(vals.set)+len(vals.files) > 0:
				return usage(errors.New("--set and --values give a runbook's inputs: name the runbook"))
			}
			d := doctor{a: a, salvage: salvage}
			d.examine(cmd.Context())
			return d.tell(asJSON)
		},
	}
	vals.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the diagnoses as JSON")
	cmd.Flags().StringVar(&salvage, "salvage", "", "if the journal is damaged, write the records that are whole to a `file`, one JSON object a line")
	return cmd
}

// A doctor examines a state directory.
type doctor struct {
	a       *app
	salvage string
	found   []diagnosis
}

func (d *doctor) say(verdict, what, detail, remedy string) {
	d.found = append(d.found, diagnosis{what, verdict, detail, remedy})
}

func (d *doctor) examine(ctx context.Context) {
	if _, err := os.Stat(d.a.state); errors.Is(err, fs.ErrNotExist) {
		d.say(note, "state directory", d.a.state+" is not there: nothing has been run with it", "")
		return
	}
	d.permissions()
	r, err := sqlite.OpenReadOnly(ctx, d.a.state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say(note, "journal", "there is none: nothing has been run", "")
		return
	case err == nil:
		err = r.Verify(ctx)
		if err == nil {
			d.runs(ctx, r)
		}
		if cerr := r.Close(); err == nil && cerr != nil {
			err = cerr
		}
	}
	var corrupt *journal.CorruptError
	switch {
	case errors.As(err, &corrupt):
		d.damaged(ctx, corrupt)
	case err != nil:
		d.say(ill, "journal", err.Error(), "")
	default:
		d.say(well, "journal", "every record is as it was written", "")
	}
}

// runs looks at each run of a journal that can be read.
func (d *doctor) runs(ctx context.Context, r journal.Reader) {
	runs, err := r.Runs(ctx, time.Now())
	if err != nil {
		d.say(ill, "runs", err.Error(), "")
		return
	}
	for _, run := range runs {
		d.run(ctx, r, run)
		d.lease(run)
		d.sealed(run)
	}
}

func (d *doctor) run(ctx context.Context, r journal.Reader, run journal.Summary) {
	what := fmt.Sprintf("run %s (%s)", run.Run, run.Name)
	h, err := runner.Load(ctx, r, d.a.catalog, run.Run)
	if err != nil {
		d.say(ill, what, err.Error(), "use the segue that wrote it")
		return
	}
	findings := report.Verify(h)
	if len(findings) == 0 {
		d.say(well, what, fmt.Sprintf("%s; each of its %d events follows from those before it", h.State.Status, h.Seq), "")
		return
	}
	f := findings[0]
	d.say(ill, what, fmt.Sprintf("event %d does not follow: %s (%d findings)", f.Seq, f.Problem, len(findings)), "segue report "+run.Run+" lists them")
}

// lease tells of a run that should be carried out and is not.
func (d *doctor) lease(run journal.Summary) {
	what := fmt.Sprintf("lease of run %s", run.Run)
	resume := "segue run --resume " + run.Run
	switch {
	case run.Final:
	case run.Holder == "":
		d.say(note, what, "nobody holds it: nobody carries the run out, and no guard watches", resume)
	case dead(run.Holder):
		d.say(ill, what, "it is held by "+run.Holder+", which is no more: no guard watches", resume+" takes it over at once")
	default:
		d.say(well, what, "held by "+run.Holder, "")
	}
}

// sealed tells of what should have been destroyed when the run ended.
func (d *doctor) sealed(run journal.Summary) {
	left, err := filepath.Glob(filepath.Join(d.a.state, "sealed", run.Run, "*.sealed"))
	if err == nil && run.Final && len(left) > 0 {
		d.say(ill, "sealed states of run "+run.Run, fmt.Sprintf("%d are left although the run is over", len(left)), "segue run --resume "+run.Run+" destroys them")
	}
}

func (d *doctor) tell(asJSON bool) error {
	sick := 0
	for _, x := range d.found {
		if x.Verdict == ill {
			sick++
		}
	}
	if asJSON {
		if err := d.a.printJSON(d.found); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(redacting{d.a.stdout, &d.a.secrets}, 0, 0, 2, ' ', 0)
		for _, x := range d.found {
			fmt.Fprintf(w, "%s\t%s\t%s\n", x.Verdict, x.What, x.Detail)
			if x.Remedy != "" {
				fmt.Fprintf(w, "\t\t→ %s\n", x.Remedy)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if sick > 0 {
		return &exitError{code: codeFailed, err: fmt.Errorf("%d of %d things are ill", sick, len(d.found))}
	}
	return nil
}
