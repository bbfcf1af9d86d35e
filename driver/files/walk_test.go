package files

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
)

// disturbed is somebody else's change of an owned value.
func disturbed(t testing.TB, path, from, to string) func(context.Context) error {
	return func(context.Context) error {
		text := content(t, path)
		if !strings.Contains(text, from) {
			t.Errorf("%s does not hold %q", path, from)
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(text, from, to)), 0o640)
	}
}

func TestYAMLWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Secrets: []string{"old-pw/1", "new-pw/1", "gone-tok/en", "dsn-old-pw", "dsn-new-pw", "declared-old", "declared-new"},
		World: func(t testing.TB) drivertest.World {
			path := put(t, "c.yaml", `# of the app
migration: {phase: 1} # now
db:
  password: 'old-pw/1'   # keep
  dsn: postgres://app:dsn-old-pw@db/app
  pin: declared-old
gone:
  # all of it
  host: h
  token: "gone-tok/en"
servers:
  - port: 1
`)
			return drivertest.World{
				Action: func() driver.Action {
					return yamlOf(t, yamlParams{Path: path, Set: map[string]any{
						"migration.phase": int64(2), "db.password": "new-pw/1", "rollout.flags.on": true, "servers[0].port": int64(4222),
						"db.dsn": "postgres://app:dsn-new-pw@db/app", "db.pin": "declared-new",
					}, Unset: []string{"gone"}, Secret: []string{"db.pin"}})
				},
				Disturb: disturbed(t, path, "phase: 2", "phase: 9"),
			}
		},
	})
}

func TestEnvWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Secrets: []string{"old-pw/1", "new-pw/1", "gone-tok/en", "other-old-pw"},
		World: func(t testing.TB) drivertest.World {
			path := put(t, ".env", "# of the app\nexport MODE=single\nAPI_TOKEN='gone-tok/en' # why\nDB_PASSWORD=\"old-pw/1\"\nURL=nats://u:other-old-pw@h\n")
			return drivertest.World{
				Action: func() driver.Action {
					return envOf(t, envParams{Path: path, Set: map[string]string{"MODE": "multi", "DB_PASSWORD": "new-pw/1", "NEW": "1", "URL": "nats://h"}, Unset: []string{"API_TOKEN"}})
				},
				Disturb: disturbed(t, path, "MODE=multi", "MODE=other"),
			}
		},
	})
}
