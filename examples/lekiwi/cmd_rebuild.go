package main

import (
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/state"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

func newRebuild() *cobra.Command {
	var dir string
	var replace, look bool
	cmd := &cobra.Command{
		Use:   "rebuild --dir DIR",
		Short: "Make the read model anew from the events, and compare",
		Long: `Makes the tables robots and deployment_history anew from the table events and
compares them with those that are there; nothing is written meanwhile. Where they
differ it fails, or with --replace puts the new ones in their place. With --look it
only says "equal", or how many differ.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			// No limit of connections keeps the superuser out, who does it while the
			// services are.
			conn, err := pgx.Connect(cmd.Context(), sys.Env.SuperURL)
			if err != nil {
				return fmt.Errorf("connect to PostgreSQL: %w", err)
			}
			defer conn.Close(cmd.Context())
			got, err := state.Rebuild(cmd.Context(), conn, replace && !look)
			if err != nil {
				return err
			}
			if look {
				state := "equal"
				if got.Differing > 0 {
					state = fmt.Sprintf("%d differ", got.Differing)
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), state)
				return err
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			if err := out.Encode(got); err != nil {
				return err
			}
			if got.Differing > 0 && !got.Replaced {
				return fmt.Errorf("the read model is not what the events make: %d differ (--replace puts that right)", got.Differing)
			}
			return nil
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&replace, "replace", false, "put the new read model in the place of one that differs")
	cmd.Flags().BoolVar(&look, "look", false, "only say whether they differ")
	return cmd
}
