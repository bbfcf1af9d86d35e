package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/segue-run/segue/compare"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// comparing is the compare command's flags.
type comparing struct {
	values
	runs    int
	reports []string
	within  time.Duration
	asJSON  bool
}

func (a *app) compareCommand() *cobra.Command {
	var o comparing
	cmd := &cobra.Command{
		Use:   "compare RUNBOOK [CHECK]",
		Short: "Ask both systems what a check of http.compare asks, and write a report",
		Long: `Ask both systems what a runbook's check of http.compare asks, as often as is said, and
report by endpoint and field where they differ, and what is noise. Exits with 1
unless they are proven to be alike: unknown is not success. Interrupted, it
reports what it has.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, file := range o.reports {
				if !slices.Contains([]string{".html", ".md", ".json"}, filepath.Ext(file)) {
					return usage(fmt.Errorf("--report %s: write a file that ends in .html, .md or .json", file))
				}
			}
			rb, err := a.parse(args[0], o.values, false)
			if err != nil {
				return err
			}
			params := runbook.Params{"timeout": o.within}
			if cmd.Flags().Changed("runs") {
				params["runs"] = int64(o.runs)
			}
			got, err := a.askOne(cmd.Context(), rb, compare.Kind, arg(args[1:]), params)
			if err != nil {
				return err
			}
			return a.compared(o, got)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&o.runs, "runs", 100, "how often each request is asked (--iterations is the same); the check's own number unless given")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "iterations" {
			name = "runs"
		}
		return pflag.NormalizedName(name)
	})
	f.StringArrayVar(&o.reports, "report", nil, "write the report to a `file` that ends in .html, .md or .json; may be repeated")
	f.DurationVar(&o.within, "within", time.Hour, "how long it may take")
	f.BoolVar(&o.asJSON, "json", false, "print the report as JSON")
	return cmd
}

// compared tells what was found, and writes the reports.
func (a *app) compared(o comparing, got runner.Checked) error {
	var rep compare.Report
	if err := json.Unmarshal(got.Raw, &rep); err != nil {
		return fmt.Errorf("check %s: %s", got.Check, got.Detail) // it never came to ask
	}
	as := map[string]func(name, verdict, detail string) ([]byte, error){
		".html": rep.HTML, ".md": rep.Markdown,
		".json": func(string, string, string) ([]byte, error) { return json.MarshalIndent(rep, "", "  ") },
	}
	for _, file := range o.reports {
		text, err := as[filepath.Ext(file)](got.Check, got.Verdict.String(), got.Detail)
		if err == nil {
			err = keep(file, a.secrets.RedactBytes(text))
		}
		if err != nil {
			return err
		}
	}
	if o.asJSON {
		if err := a.printJSON(rep); err != nil {
			return err
		}
	} else {
		text, err := rep.Markdown(got.Check, got.Verdict.String(), got.Detail)
		if err != nil {
			return err
		}
		if _, err := (redacting{a.stdout, &a.secrets}).Write(text); err != nil {
			return err
		}
	}
	if got.Verdict != evidence.Pass {
		return &exitError{code: codeFailed}
	}
	return nil
}
