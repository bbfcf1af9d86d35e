package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/ledger"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

var errLedger = errors.New("messages were lost or doubled")

func newLedger() *cobra.Command {
	var (
		dir, journal, jsonFile, backups string
		settle                          time.Duration
	)
	cmd := &cobra.Command{
		Use:   "ledger --dir DIR --journal FILE",
		Short: "Count what became of every message of a load",
		Long: `Compares a load's journal with the streams and the database. Exit status 1 when a
message was lost or doubled. A stream that is gone is proved by its newest whole
backup in --backups, which is restored into a throw-away server and read there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			records, err := load.ReadJournal(journal)
			if err != nil {
				return err
			}
			src := ledger.Source{NATSURL: sys.Env.NATSURL, DatabaseURL: sys.Env.DatabaseURL, Backups: backups}
			result, err := ledger.Take(cmd.Context(), src, records, settle)
			if err != nil {
				return err
			}
			raw, err := json.MarshalIndent(result, "", "  ")
			if err != nil {
				return fmt.Errorf("print the ledger: %w", err)
			}
			if jsonFile != "" {
				if err := renameio.WriteFile(jsonFile, append(raw, '\n'), 0o600); err != nil {
					return fmt.Errorf("write the ledger: %w", err)
				}
			}
			// What is shown is what was written.
			var shown ledger.Result
			if err := json.Unmarshal(raw, &shown); err != nil {
				return fmt.Errorf("print the ledger: %w", err)
			}
			if err := shown.WriteTable(cmd.OutOrStdout()); err != nil {
				return err
			}
			if !shown.OK() {
				return errLedger
			}
			return nil
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&journal, "journal", "", "the load's journal")
	cmd.Flags().DurationVar(&settle, "settle", 20*time.Second, "how long to wait for the durables to be drained")
	cmd.Flags().StringVar(&backups, "backups", "", "directory with backups (nats.backup) of streams that are gone")
	cmd.Flags().StringVar(&jsonFile, "json", "", "file that gets the result as JSON")
	_ = cmd.MarkFlagRequired("journal") // the flag is defined above
	return cmd
}
