package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/system"
)

func newBackup() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "backup --dir DIR",
		Short: "Back the database up, as the nightly job does",
		Long: `Dumps the database (pg_dump, custom format) into the system's BACKUP_DIR, whole or
not at all, and takes away all but the newest seven dumps. pg_restore reads them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			path, err := sys.Backup(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "backup:", path)
			return nil
		},
	}
	dirFlag(cmd, &dir)
	return cmd
}
