package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/system"
)

func newUp() *cobra.Command {
	var opt system.Options
	cmd := &cobra.Command{
		Use:   "up --dir DIR",
		Short: "Bring the system up and leave it running",
		Long: `Brings up the legacy monolith and, beside it, the new system: discovery-service,
state-manager, websocket-monitor, teleoperation-service and migration-tracker, on
PostgreSQL and Redis; NGINX in front, which sends everything to the monolith, and
Prometheus; all on free loopback ports. It waits until all are healthy and writes
how to reach them to DIR/env. Two more discovery-services and a second
state-manager are there and not started.`,
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
	cmd.Flags().BoolVar(&opt.SeedPorts, "seed-ports", false, "use the seed's ports: legacy 8000, discovery 8001 (8011, 8021), state 8002 (8012), monitor 8003 and 9001, teleoperation 8004, tracker 8005, NGINX 8080, PostgreSQL 5432, Redis 6379, Prometheus 9090")
	cmd.Flags().BoolVar(&opt.LegacyOnly, "legacy-only", false, "leave the new system's services stopped, as they are before the migration")
	cmd.Flags().BoolVar(&opt.Faults, "faults", false, "let services do wrong what DIR/conf/faults.json says, for drills: {\"discovery-service\": {\"errors\": 0.02, \"delay_ms\": 600}}")
	cmd.Flags().StringVar(&opt.Release, "release", "", "RELEASE of the services: what they say they are (default: what their build says)")
	return cmd
}
