package main

import (
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/report"
)

func (a *app) whyCommand() *cobra.Command {
	return a.lookCommand("why [RUN]", "Why a run waits, is paused, or ended as it did: every check, bound, sample and person",
		func(l *looked) any {
			return report.Why(l.history, l.state, l.decision, l.holder, l.now)
		})
}
