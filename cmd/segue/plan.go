package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/runner"
)

func (a *app) planCommand() *cobra.Command {
	var vals values
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan RUNBOOK",
		Short: "Say what each step would change; looks at the live systems, changes nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			steps, err := a.planner().Plan(cmd.Context(), rb)
			if err != nil && !errors.Is(err, runner.ErrRefused) {
				return err
			}
			if asJSON {
				if jerr := a.printJSON(steps); jerr != nil {
					return jerr
				}
				return err
			}
			a.printPlan(steps)
			return err
		},
	}
	vals.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	return cmd
}

func (a *app) printPlan(steps []runner.Planned) {
	phase := ""
	out := redacting{a.stdout, &a.secrets}
	for _, s := range steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(out, "phase %s\n", phase)
		}
		a.printStep(out, s)
	}
}

func (a *app) printStep(out redacting, s runner.Planned) {
	mark := "~"
	switch {
	case s.Error != "":
		mark = "✗"
	case len(s.Diff) == 0:
		mark = "="
	}
	fmt.Fprintf(out, "  %s %s (%s)\n", mark, s.Name, s.Kind)
	switch {
	case s.Error != "":
		fmt.Fprintf(out, "      %s: refused: %s\n", s.Pos, s.Error)
	case len(s.Diff) == 0:
		fmt.Fprintln(out, "      nothing to do")
	}
	for _, c := range s.Diff {
		fmt.Fprintf(out, "      %s\n", c)
	}
	if s.Costs != "" {
		fmt.Fprintln(out, "      costs: "+s.Costs)
	}
	if s.NoReturn {
		fmt.Fprintln(out, "      point of no return; loses "+s.Loses)
	}
}

// refusedSteps is the error of a plan that is refused, for people.
func refusedSteps(steps []runner.Planned) error {
	var errs []error
	for _, s := range steps {
		if s.Error != "" {
			errs = append(errs, fmt.Errorf("%s: step %s: %s", s.Pos, s.Step, s.Error))
		}
	}
	return errors.Join(errs...)
}
