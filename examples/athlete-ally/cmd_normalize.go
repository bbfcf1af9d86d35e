package main

import (
	"cmp"
	"fmt"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/normalize"
)

func newNormalize() *cobra.Command {
	var flags struct{ addr, metrics, natsURL, databaseURL string }
	cmd := &cobra.Command{
		Use:   "normalize",
		Short: "Run the worker (settings from the environment)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := env.ParseAs[normalize.Config]()
			if err != nil {
				return fmt.Errorf("settings: %w", err)
			}
			override(&cfg.Addr, flags.addr)
			override(&cfg.MetricsAddr, flags.metrics)
			override(&cfg.NATSURL, flags.natsURL)
			override(&cfg.DatabaseURL, flags.databaseURL)
			cfg.Release = cmp.Or(cfg.Release, release)
			return normalize.Run(cmd.Context(), cfg, jsonLog("normalize"))
		},
	}
	cmd.Flags().StringVar(&flags.addr, "addr", "", "address of /health (NORMALIZE_ADDR)")
	cmd.Flags().StringVar(&flags.metrics, "metrics-addr", "", "address of /metrics (METRICS_ADDR)")
	cmd.Flags().StringVar(&flags.natsURL, "nats-url", "", "NATS servers (NATS_URL)")
	cmd.Flags().StringVar(&flags.databaseURL, "database-url", "", "PostgreSQL (DATABASE_URL)")
	return cmd
}
