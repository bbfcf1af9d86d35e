package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/system"
)

func newDown() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "down --dir DIR",
		Short: "End the system and remove its directory",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := system.Down(cmd.Context(), dir); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "down: no process and no directory is left")
			return nil
		},
	}
	dirFlag(cmd, &dir)
	return cmd
}
