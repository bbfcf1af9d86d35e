package main

import (
	"cmp"
	"fmt"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/ingest"
)

func newIngest() *cobra.Command {
	var addr, natsURL string
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Run the HTTP service (settings from the environment)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := env.ParseAs[ingest.Config]()
			if err != nil {
				return fmt.Errorf("settings: %w", err)
			}
			override(&cfg.Addr, addr)
			override(&cfg.NATSURL, natsURL)
			cfg.Release = cmp.Or(cfg.Release, release)
			return ingest.Run(cmd.Context(), cfg, jsonLog("ingest"))
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "address to listen on (INGEST_ADDR)")
	cmd.Flags().StringVar(&natsURL, "nats-url", "", "NATS servers (NATS_URL)")
	return cmd
}

// override lets a flag that was given win over the environment.
func override(setting *string, flag string) {
	if flag != "" {
		*setting = flag
	}
}
