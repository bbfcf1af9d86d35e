package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/discovery"
	"github.com/segue-run/segue/examples/lekiwi/legacy"
	"github.com/segue-run/segue/examples/lekiwi/monitor"
	"github.com/segue-run/segue/examples/lekiwi/state"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/examples/lekiwi/teleoperation"
	"github.com/segue-run/segue/examples/lekiwi/tracker"
)

func newServices() []*cobra.Command {
	return []*cobra.Command{
		newService(system.Legacy, "Run the monolith", legacy.Run,
			func(c *legacy.Config) settings { return settings{&c.Release, &c.Addr, nil, nil, nil} }),
		newService(system.Discovery, "Run the new system's front door", discovery.Run,
			func(c *discovery.Config) settings { return settings{&c.Release, &c.Addr, &c.MigrationConfig, nil, nil} }),
		newService(system.State, "Run the event store", state.Run,
			func(c *state.Config) settings {
				return settings{&c.Release, &c.Addr, &c.MigrationConfig, &c.DatabaseURL, &c.RedisURL}
			}),
		newService(system.Monitor, "Run the server of WebSockets", monitor.Run,
			func(c *monitor.Config) settings { return settings{&c.Release, &c.Addr, &c.MigrationConfig, nil, nil} }),
		newService(system.Teleoperation, "Run the service that knows who drives which robot", teleoperation.Run,
			func(c *teleoperation.Config) settings {
				return settings{&c.Release, &c.Addr, &c.MigrationConfig, &c.DatabaseURL, nil}
			}),
		newService(system.Tracker, "Run the service that says how the migration stands", tracker.Run,
			func(c *tracker.Config) settings {
				return settings{&c.Release, &c.Addr, &c.MigrationConfig, &c.DatabaseURL, &c.RedisURL}
			}),
	}
}

// settings are those that have flags; nil where a service has no such.
type settings struct{ release, addr, migrationConfig, databaseURL, redisURL *string }

// newService makes the command of a service, whose settings come from the
// environment; a flag that is given wins over it.
func newService[C any](name, short string, run func(context.Context, C, *slog.Logger) error, of func(*C) settings) *cobra.Command {
	given := settings{addr: new(string), migrationConfig: new(string), databaseURL: new(string), redisURL: new(string)}
	cmd := &cobra.Command{
		Use:   name,
		Short: short + " (settings from the environment)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := env.ParseAs[C]()
			if err != nil {
				return fmt.Errorf("settings: %w", err)
			}
			own := of(&cfg)
			override(own.addr, given.addr)
			override(own.migrationConfig, given.migrationConfig)
			override(own.databaseURL, given.databaseURL)
			override(own.redisURL, given.redisURL)
			*own.release = cmp.Or(*own.release, release)
			return run(cmd.Context(), cfg, jsonLog(name))
		},
	}
	has := of(new(C))
	cmd.Flags().StringVar(given.addr, "addr", "", "address to listen on")
	if has.migrationConfig != nil {
		cmd.Flags().StringVar(given.migrationConfig, "migration-config", "", "migration_config.yaml (MIGRATION_CONFIG)")
	}
	if has.databaseURL != nil {
		cmd.Flags().StringVar(given.databaseURL, "database-url", "", "PostgreSQL (DATABASE_URL)")
	}
	if has.redisURL != nil {
		cmd.Flags().StringVar(given.redisURL, "redis-url", "", "Redis (REDIS_URL)")
	}
	return cmd
}

func override(setting, flag *string) {
	if setting != nil && *flag != "" {
		*setting = *flag
	}
}
