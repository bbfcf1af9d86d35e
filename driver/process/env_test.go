package process

import (
	"context"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/process/processtest"
)

func saves(context.Context, any) error { return nil }

func envOf(t testing.TB, c *Conn, p envParams) driver.Action {
	t.Helper()
	if p.Health == "" {
		p.Health = health
	}
	if p.Within == 0 {
		p.Within = 10 * time.Second
	}
	check(t, p.Validate())
	a, err := newEnv(t.Context(), c, p)
	check(t, err)
	return a
}

func TestEnvWalks(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "MODE=single", "OLD=1", "API_TOKEN=old-tok/en")...)
	drivertest.Walk(t, drivertest.Subject{
		Slow:    true,
		Secrets: []string{"old-tok/en", "new-tok/en"},
		World: func(t testing.TB) drivertest.World {
			o.Reset(t)
			c := connect(t, o) // one for all, as in a run
			return drivertest.World{
				Action: func() driver.Action {
					return envOf(t, c, envParams{
						rolling:    rolling{Service: "web"},
						Set:        map[string]string{"MODE": "multi", "NEW": "", "API_TOKEN": "new-tok/en"},
						Unset:      []string{"OLD"},
						witnessing: witnessing{map[string]string{"MODE": "env.MODE", "API_TOKEN": "env.API_TOKEN"}},
					})
				},
				Disturb: func(context.Context) error { o.SetEnv(t, "web-1", "MODE", "other"); return nil },
			}
		},
	})
}
