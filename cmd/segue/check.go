package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/evidence"
)

func (a *app) checkCommand() *cobra.Command {
	var vals values
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check RUNBOOK [NAME…]",
		Short: "Ask a runbook's checks, now",
		Long:  "Ask a runbook's checks, now; one that does not know yet is asked again for a few seconds. Exits with 1 unless all of them pass: unknown is not success.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			readings, err := a.planner().Check(cmd.Context(), rb, args[1:])
			if err != nil {
				return usage(err)
			}
			passed := true
			for _, r := range readings {
				passed = passed && r.Verdict == evidence.Pass
			}
			if asJSON {
				err = a.printJSON(readings)
			} else {
				w := tabwriter.NewWriter(redacting{a.stdout, &a.secrets}, 0, 0, 2, ' ', 0)
				for _, r := range readings {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Check, r.Verdict, r.Value, r.Bound, r.Detail)
				}
				err = w.Flush()
			}
			if err == nil && !passed {
				err = &exitError{code: codeFailed}
			}
			return err
		},
	}
	vals.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the readings as JSON")
	return cmd
}
