package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/athlete-ally/system"
)

func newUp() *cobra.Command {
	var opt system.Options
	cmd := &cobra.Command{
		Use:   "up --dir DIR",
		Short: "Bring the system up and leave it running",
		Long: `Brings up a NATS cluster of three nodes, PostgreSQL, Prometheus, ingest and two
normalizes on free loopback ports, waits until all are healthy, backs the database
up, and writes how to reach them to DIR/env. The service normalize-green, two of
the next release, is there and not started.

--env staging brings up what that release is tried on: the topology after the
migration on one NATS node, PostgreSQL, ingest and one normalize, both of the next
release. The variables in its DIR/env begin with STAGING_, so that one shell can
hold both environments:

  set -a; . PRODUCTION_DIR/env; . STAGING_DIR/env`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := time.Now()
			sys, err := system.Start(cmd.Context(), opt)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if err := sys.WriteTable(cmd.Context(), out); err != nil {
				return err
			}
			fmt.Fprintf(out, "up in %.1f s; how to reach it: %s\n", time.Since(start).Seconds(), filepath.Join(sys.Dir, "env"))
			return nil
		},
	}
	dirFlag(cmd, &opt.Dir)
	cmd.Flags().StringVar(&opt.Environment, "env", system.Production, "production (the topology before the migration) or staging (after it)")
	cmd.Flags().BoolVar(&opt.SeedPorts, "seed-ports", false, "use the seed's ports: NATS 4223-4225, ingest 4101, normalize 4102-4103 and green 4104-4105, metrics 9464-9467, PostgreSQL 5432, Prometheus 9090")
	cmd.Flags().StringVar(&opt.Release, "release", "", "RELEASE of ingest and normalize: what they say they are (default: what their build says)")
	cmd.Flags().StringVar(&opt.Mode, "mode", "multi", "EVENT_STREAM_MODE of normalize: multi or single")
	return cmd
}
