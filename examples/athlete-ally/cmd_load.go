package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

func newLoad() *cobra.Command {
	var (
		dir      string
		progress bool
		cfg      load.Config
	)
	cmd := &cobra.Command{
		Use:   "load --dir DIR --journal FILE",
		Short: "Send a seeded mix of messages at a fixed rate",
		Long: `Sends HRV, sleep and Oura data over HTTP, and HRV and Oura data straight to NATS,
with and without acknowledgement. Latency counts from when a message was due. Ends
after --duration or at SIGTERM, with every message in the journal.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			cfg.IngestURL, cfg.OuraSecret, cfg.NATSURL = sys.Env.IngestURL, sys.Env.OuraSecret, sys.Env.NATSURL
			if cfg.Run == "" {
				cfg.Run = fmt.Sprintf("l%d-%s", cfg.Seed, time.Now().UTC().Format("0102T150405"))
			}
			out := cmd.OutOrStdout()
			if progress {
				cfg.Progress = func(s load.Stats) { fmt.Fprintln(out, s.Line()) }
			}
			stats, err := load.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			t := stats.Total
			fmt.Fprintf(out, "load: sent=%d rate=%.0f/s accepted=%d unacked=%d rejected=%d errors=%d http_5xx=%d p50=%.1fms p99=%.1fms max=%.1fms\n",
				t.Sent, t.Rate, t.Accepted, t.Unacked, t.Rejected, t.Errors, t.HTTP5xx, t.P50, t.P99, t.Max)
			return nil
		},
	}
	dirFlag(cmd, &dir)
	f := cmd.Flags()
	f.Float64Var(&cfg.Rate, "rate", 500, "messages a second")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the mix")
	f.DurationVar(&cfg.Duration, "duration", 0, "how long; 0: until SIGTERM")
	f.StringVar(&cfg.Journal, "journal", "", "file that gets a line for each message")
	f.StringVar(&cfg.Status, "status", "", "address (host:port) or file for live statistics as JSON")
	f.StringVar(&cfg.Run, "run", "", "name of this load, part of every id (default: from seed and time)")
	f.IntVar(&cfg.Users, "users", 200, "number of users")
	f.Float64Var(&cfg.BadShare, "bad", 0.01, "share of messages that break the schema or the signature")
	f.Float64Var(&cfg.RepeatShare, "repeat", 0.01, "share of messages that are sent again")
	f.BoolVar(&progress, "progress", false, "print a line every second")
	_ = cmd.MarkFlagRequired("journal") // the flag is defined above
	return cmd
}
