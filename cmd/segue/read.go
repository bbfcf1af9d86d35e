package main

import "github.com/spf13/cobra"

// readCommands look at runs; none needs a daemon or holds a run up.
func (a *app) readCommands() []*cobra.Command {
	return []*cobra.Command{a.statusCommand(), a.whyCommand(), a.reportCommand(), a.runsCommand(), a.watchCommand(), a.metricsCommand(), a.doctorCommand()}
}
