package system

import (
	"fmt"
	"os"

	"github.com/segue-run/segue/examples/sandbox"
)

// writeMigrationConfig begins with phase 0 and all flags off.
func writeMigrationConfig(l sandbox.Dir, p ports) error {
	conf := fmt.Sprintf(`# How far the migration from the legacy system is. The services follow this file.
migration:
  phase: 0

legacy_system:
  enabled: true
  endpoint: http://%[1]s
  health_check: http://%[1]s/health

new_system:
  enabled: true
  endpoint: http://%[2]s
  health_check: http://%[2]s/api/v2/health

database:
  postgres: {host: 127.0.0.1, port: %[3]d, database: lekiwi_heartbeat, user: lekiwi_admin, max_connections: 200}
  redis: {host: 127.0.0.1, port: %[4]d, maxmemory: 2gb}

rollout:
  canary_percentage: 0  # what the edge is meant to send to the new system
  feature_flags:
    event_driven_discovery: false
    persistent_state: false
    websocket_monitoring: false
    teleoperation_optimization: false
`, loopback(p.legacy), loopback(p.discovery[0]), p.postgres, p.redis)
	if err := os.WriteFile(migrationConfig(l), []byte(conf), 0o600); err != nil {
		return fmt.Errorf("write the migration config: %w", err)
	}
	return nil
}

func migrationConfig(l sandbox.Dir) string { return l.Conf("migration_config.yaml") }
