package e2e

import (
	"fmt"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/internal/soak"
)

func TestWalk(t *testing.T) {
	for _, action := range []string{"once", "continuous"} {
		t.Run(action, func(t *testing.T) {
			if action == "continuous" && !soak.On() {
				t.Skip("its way is that of once, and that of following is walked: make soak")
			}
			t.Parallel()
			drivertest.Walk(t, drivertest.Subject{
				ObserveOnly: told, AlwaysActs: true, MayKeep: true, NothingToDisturb: true, Parallel: true, Slow: true,
				World: func(t testing.TB) drivertest.World {
					legacy, db := newRobots(t, fleet(120)...), server.Database(t)
					postgrestest.Exec(t, db, table)
					made := drivertest.Make(t, withAction(toTable, action), map[string]string{"LEGACY": legacy.URL, "DB": db}, parts()...)
					return drivertest.World{Action: func() driver.Action { return made.Again("sync") }}
				},
			})
		})
	}
}

func TestWalkToAnHTTPServer(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		ObserveOnly: told, AlwaysActs: true, MayKeep: true, NothingToDisturb: true, Parallel: true, Slow: true,
		World: func(t testing.TB) drivertest.World {
			legacy, next := newRobots(t, fleet(120)...), newRobots(t)
			made := drivertest.Make(t, fmt.Sprintf(toImport, 50), map[string]string{"LEGACY": legacy.URL, "NEW": next.URL}, parts()...)
			return drivertest.World{Action: func() driver.Action { return made.Again("sync") }}
		},
	})
}

// told are the fields by which Apply tells what it has done.
var told = []string{"synced", "read", "changed", "unchanged", "deleted", "returned", "bad"}
