package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/system"
)

func newRestart() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "restart --dir DIR PROCESS…",
		Short: "Restart processes of the system, as docker-compose restart does, and wait until all is healthy",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := sys.StopProcess(ctx, name); err != nil {
					return err
				}
				if err := sys.StartProcess(ctx, name); err != nil {
					return err
				}
			}
			if err := sys.AwaitHealthy(ctx); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "restarted, and all is healthy")
			return err
		},
	}
	dirFlag(cmd, &dir)
	return cmd
}
