package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/ledger"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

var errLedger = errors.New("what is held is not what was acknowledged")

func newLedger() *cobra.Command {
	var (
		dir, journal, jsonFile, of string
		split                      bool
		settle                     time.Duration
	)
	cmd := &cobra.Command{
		Use:   "ledger --dir DIR --journal FILE",
		Short: "Compare what a fleet had acknowledged with what the systems hold",
		Long: `Compares a fleet's journal with the new system's tables (events, robots, sessions),
with the legacy system's robots, or with both. Exit status 1 when a heartbeat is
lost or doubled, or a robot, a session or the rebuilt read model differs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			var src ledger.Source
			switch of {
			case "both":
				src = ledger.Source{DatabaseURL: sys.Env.DatabaseURL, LegacyURL: sys.Env.LegacyURL}
			case toNew:
				src.DatabaseURL = sys.Env.DatabaseURL
			case toLegacy:
				src.LegacyURL = sys.Env.LegacyURL
			default:
				return fmt.Errorf("--of %q: want %s, %s or both", of, toNew, toLegacy)
			}
			j, err := fleet.ReadJournal(journal)
			if err != nil {
				return err
			}
			result, err := ledger.Take(cmd.Context(), src, j, split, settle)
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
	cmd.Flags().StringVar(&journal, "journal", "", "the fleet's journal")
	cmd.Flags().StringVar(&of, "of", toNew, "what to compare with: new, legacy or both")
	cmd.Flags().BoolVar(&split, "split", false, "the edge split the traffic: only what was acknowledged as durable must be an event")
	cmd.Flags().DurationVar(&settle, "settle", 20*time.Second, "how long to wait for what is on its way")
	cmd.Flags().StringVar(&jsonFile, "json", "", "file that gets the result as JSON")
	_ = cmd.MarkFlagRequired("journal") // the flag is defined above
	return cmd
}
