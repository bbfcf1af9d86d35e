package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
)

func (a *app) amendCommand() *cobra.Command {
	var s said
	var vals values
	cmd := &cobra.Command{
		Use:   "amend RUNBOOK",
		Short: "Give a run another text of its runbook, for phases that have not started",
		Long: `Give a run another text of its runbook. Phases that have started, and the
connections, must stay as they are; the journal keeps both texts.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			return a.send(cmd.Context(), s, engine.Signal{
				Kind: engine.SignalAmend, Actor: a.actor, Note: s.note, Of: rb.Digest(),
				Text: string(rb.Text), Settings: rb.Settings(),
			})
		},
	}
	vals.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.run, "run", "", "the `run`: an ID or its beginning, or a runbook's name; default the newest one")
	f.StringVar(&s.note, "note", "", "a remark for the journal")
	f.StringVar(&s.key, "key", "", "send once only: a repetition with the same `key` is the same signal")
	f.DurationVar(&s.wait, "wait", 5*time.Second, "how long to wait for the run's answer; 0: do not")
	return cmd
}
