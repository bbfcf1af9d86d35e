package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/runbook"
)

func (a *app) alertCommand() *cobra.Command {
	var vals values
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "alert RUNBOOK TEXT",
		Short: "Tell everybody of an emergency, in your own words",
		Long: `Tell everybody whom a route of the runbook names, whatever the route is about, and
all at the same time; pagers open an incident. The first line is the title; whom to
call is added. It needs no run. What fails is tried again for a while. Exits with 1
when somebody could not be told.`,
		Example: `  segue alert runbook.yaml "CRITICAL: Migration failed, emergency rollback initiated"`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			return a.alert(cmd.Context(), rb, args[1], wait)
		},
	}
	vals.flags(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to try")
	return cmd
}

func (a *app) alert(ctx context.Context, rb *runbook.Runbook, text string, wait time.Duration) error {
	told, err := a.post(nil, "", "").Alert(ctx, rb, a.actor, text, wait)
	if err != nil {
		return usage(err)
	}
	return a.sayTold(told)
}
