package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

// reporting is the report command's flags.
type reporting struct {
	values
	format   string
	out      string
	asJSON   bool
	verify   bool
	template string
	runbook  string
}

func (a *app) reportCommand() *cobra.Command {
	var o reporting
	cmd := &cobra.Command{
		Use:   "report [RUN]",
		Short: "What happened in a run: what, when, who, on what evidence",
		Long: `What happened in a run: what, when, who, on what evidence. The report is derived
from the run's journal alone, and each event in it is checked to follow from
those before it: what does not is at the top of the report.

With --template, print one of the runbook's templates instead, filled with how the
run stands and with what its checks answer now; with --runbook, before there is a
run. Nothing is sent.` + whichRun,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("template"):
				return a.fill(cmd.Context(), o, arg(args))
			case o.runbook != "" || len(o.set)+len(o.files) > 0:
				return usage(errors.New("--runbook, --set and --values are for --template NAME"))
			}
			return a.report(cmd.Context(), o, arg(args))
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "md", "md (Markdown) or json")
	f.StringVarP(&o.out, "out", "o", "", "write it to a `file`; a relative path is from here")
	f.BoolVar(&o.asJSON, "json", false, "the same as --format json")
	f.StringVar(&o.template, "template", "", "print the runbook's template of this `name`, filled")
	f.StringVar(&o.runbook, "runbook", "", "with --template: the runbook's `file`, when there is no run of it yet")
	f.BoolVar(&o.verify, "verify", false, "exit with 1 if an event does not follow from those before it")
	return cmd
}

func (a *app) report(ctx context.Context, o reporting, run string) error {
	if o.asJSON {
		o.format = "json"
	}
	if o.format != "md" && o.format != "json" {
		return usage(fmt.Errorf("--format %s: want md or json", o.format))
	}
	r, err := a.openReader(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	rep, err := a.makeReport(ctx, r, run)
	if err != nil {
		return err
	}
	text := []byte(report.Markdown(rep))
	if o.format == "json" {
		if text, err = report.JSON(rep); err != nil {
			return err
		}
	}
	if text = a.secrets.RedactBytes(text); o.out == "" {
		_, err = bytes.NewReader(text).WriteTo(a.stdout)
	} else {
		err = keep(o.out, text)
	}
	if n := len(rep.Findings); err == nil && o.verify && n > 0 {
		err = fmt.Errorf("run %s: event %d of its journal does not follow from those before it: %s (%d findings in all)", rep.Run, rep.Findings[0].Seq, rep.Findings[0].Problem, n)
	}
	return err
}

func (a *app) makeReport(ctx context.Context, r journal.Reader, run string) (*report.Report, error) {
	id, err := resolve(ctx, r, run)
	if err != nil {
		return nil, usage(err)
	}
	h, err := runner.Load(ctx, r, a.catalog, id)
	if err != nil {
		return nil, err
	}
	stored, err := r.Readings(ctx, id, "", time.Unix(0, 0))
	if err != nil {
		return nil, fmt.Errorf("read the readings of run %s: %w", id, err)
	}
	rep := report.Make(h, report.Readings(stored))
	told, err := r.Deliveries(ctx, id)
	if err != nil {
		return nil, err
	}
	rep.Notices = report.Notices(told)
	return rep, nil
}

func keep(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := renameio.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
