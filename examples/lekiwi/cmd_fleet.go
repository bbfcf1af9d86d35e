package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

// Where a fleet goes to.
const (
	toEdge   = "edge"
	toLegacy = "legacy"
	toNew    = "new"
)

func newFleet() *cobra.Command {
	var dir, to, jsonFile string
	var cfg fleet.Config
	cmd := &cobra.Command{
		Use:   "fleet --dir DIR --journal FILE",
		Short: "Let robots report themselves and operators poll, watch and drive",
		Long: `Robots of both types, some of them odd, report over HTTP and WebSocket and answer
when they are asked; operators poll, watch and drive. The same seed gives the same
fleet and schedule. Latency counts from when a thing was due. Ends after --duration
or at SIGTERM, with everything in the journal.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			if err := aim(&cfg, sys.Env, to); err != nil {
				return err
			}
			if cfg.Run == "" {
				cfg.Run = fmt.Sprintf("f%d-%s", cfg.Seed, time.Now().UTC().Format("0102T150405"))
			}
			stats, err := fleet.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if jsonFile != "" {
				raw, err := json.MarshalIndent(stats, "", "  ")
				if err != nil {
					return fmt.Errorf("print the statistics: %w", err)
				}
				if err := renameio.WriteFile(jsonFile, append(raw, '\n'), 0o600); err != nil {
					return fmt.Errorf("write the statistics: %w", err)
				}
			}
			fmt.Fprint(cmd.OutOrStdout(), stats.Lines())
			return nil
		},
	}
	dirFlag(cmd, &dir)
	f := cmd.Flags()
	f.StringVar(&to, "to", toEdge, "edge, or one system beside it: legacy, new")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the fleet and its schedule")
	f.StringVar(&cfg.Run, "run", "", "name of this load, part of every heartbeat's (default: from seed and time)")
	f.StringVar(&cfg.Journal, "journal", "", "file that gets a line for each robot and each thing sent")
	f.StringVar(&jsonFile, "json", "", "file that gets the statistics as JSON")
	f.IntVar(&cfg.Robots, "robots", 2000, "number of robots")
	f.Float64Var(&cfg.WebSocketShare, "websocket", 0.5, "share of the robots that report over WebSocket")
	f.Float64Var(&cfg.Heartbeats, "heartbeats", 500, "heartbeats a second, of all robots together")
	f.Float64Var(&cfg.Polls, "polls", 50, "questions of operators a second")
	f.Float64Var(&cfg.Drives, "drives", 2, "teleoperation sessions begun a second")
	f.IntVar(&cfg.Watchers, "watchers", 50, "operators who watch over WebSocket")
	f.DurationVar(&cfg.Renew, "renew", 0, "how long a robot keeps a WebSocket, about; 0: until it ends")
	f.StringVar(&cfg.Topic, "topic", "", "what all of them watch (default: a mix)")
	f.DurationVar(&cfg.Duration, "duration", 0, "how long; 0: until SIGTERM")
	_ = cmd.MarkFlagRequired("journal") // the flag is defined above
	return cmd
}

// aim fills in where a fleet goes to. The legacy system takes everything on one
// port and knows no sessions; whoever comes through the edge knows only it.
func aim(cfg *fleet.Config, env system.Env, to string) error {
	cfg.Gateway = env.FleetAddr
	switch to {
	case toEdge:
		cfg.URL, cfg.SessionsURL = env.EdgeURL, env.TeleoperationURL
	case toLegacy:
		cfg.URL = env.LegacyURL
	case toNew:
		cfg.URL, cfg.SessionsURL = env.DiscoveryURLs[0], env.TeleoperationURL
		cfg.WatchURL = strings.TrimSuffix(env.MonitorWSURL, "/ws")
	default:
		return fmt.Errorf("--to %q: want %s, %s or %s", to, toEdge, toLegacy, toNew)
	}
	return nil
}
