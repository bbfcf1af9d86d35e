package main

import (
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/driver/prometheus"
)

// exportCommand writes a runbook in the form of other tools.
func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a runbook's guards in the form of other tools",
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
	cmd.AddCommand(rules)
	return cmd
}
