package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/system"
)

func newRevive() *cobra.Command {
	var dir string
	var look bool
	cmd := &cobra.Command{
		Use:   "revive --dir DIR",
		Short: "Start the legacy system again if it is not healthy, with the new one's robots",
		Long: `Says "healthy" and does nothing when the legacy system is. Else it is started
again and, as it keeps nothing, given the robots that the new system's database
has. With --look nothing is done: it says "healthy", or "away".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if look {
				state := "away"
				if sys.LegacyHealthy(cmd.Context()) {
					state = "healthy"
				}
				_, err := fmt.Fprintln(out, state)
				return err
			}
			revived, robots, err := sys.Revive(cmd.Context())
			if err != nil {
				return err
			}
			if !revived {
				_, err = fmt.Fprintln(out, "healthy: nothing was done")
				return err
			}
			_, err = fmt.Fprintf(out, "started again, with %d robots\n", robots)
			return err
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&look, "look", false, "only say how it is")
	return cmd
}
