package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/driver/prometheus"
	"github.com/segue-run/segue/driver/prometheus/grafana"
	"github.com/segue-run/segue/runbook"
)

// exportCommand writes a runbook in the form of other tools.
func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a runbook's guards and dashboards in the form of other tools",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var vals values
	rules := &cobra.Command{
		Use:   "rules RUNBOOK",
		Short: "Print the guards as Prometheus alerting rules",
		Long: `Print the guards as Prometheus alerting rules. A guard whose check PromQL cannot
ask watches the verdict on Segue's own metrics page (segue metrics). A rule has
no memory: where a check proves, the rule compares a window of five minutes,
four standard errors over the threshold.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, true)
			if err != nil {
				return err
			}
			raw, err := prometheus.Rules(rb, a.catalog)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(raw)
			return err
		},
	}
	vals.flags(rules)
	cmd.AddCommand(rules, a.exportGrafanaCommand())
	return cmd
}

func (a *app) exportGrafanaCommand() *cobra.Command {
	var vals values
	var dir string
	cmd := &cobra.Command{
		Use:   "grafana RUNBOOK [UID]",
		Short: "Print a dashboard of the runbook as JSON that Grafana imports, or write all",
		Long: `Print a dashboard of the runbook as JSON that Grafana imports; with --out, write each
into a file of its own, UID.json, as Grafana provisions them. Which Prometheus it
asks is a variable of the dashboard.`,
		Args: usageArgs(cobra.RangeArgs(1, 2)),
		RunE: func(_ *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, true)
			if err != nil {
				return err
			}
			return a.exportDashboards(rb, arg(args[1:]), dir)
		},
	}
	vals.flags(cmd)
	cmd.Flags().StringVarP(&dir, "out", "o", "", "write into this `directory`")
	return cmd
}

func (a *app) exportDashboards(rb *runbook.Runbook, uid, dir string) error {
	var known []string
	var chosen []runbook.Dashboard
	for _, d := range rb.Dashboards {
		if known = append(known, d.UID); uid == "" || uid == d.UID {
			chosen = append(chosen, d)
		}
	}
	switch {
	case len(known) == 0:
		return usage(fmt.Errorf("%s: the runbook has no dashboards section", rb.File))
	case len(chosen) == 0:
		return usage(fmt.Errorf("%s: the runbook has no dashboard %q; %s", rb.File, uid, runbook.Suggest(uid, known)))
	case len(chosen) > 1 && dir == "":
		return usage(fmt.Errorf("%s: the runbook has %d dashboards: name one of %s, or write all with --out DIR", rb.File, len(chosen), strings.Join(known, ", ")))
	}
	for _, d := range chosen {
		raw, err := grafana.Dashboard(d)
		if err != nil {
			return usage(err)
		}
		if dir == "" {
			_, err = a.stdout.Write(raw)
		} else {
			err = keep(filepath.Join(dir, d.UID+".json"), raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
