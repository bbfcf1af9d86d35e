package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// much writes a megabyte to the log of a server, which no sync is told of.
const much = "select pg_logical_emit_message(false, 'much', repeat('x', 1000000))"

const slots = "select count(*) from pg_replication_slots where database = current_database()"

// While the sink holds a sync up, copying or following, the source has to keep
// what is written: with more than it may, it need not any longer, and the sync
// says so. The controls may keep more, and go on when the sink does.
func TestASourceNeedNotKeepMoreOfItsLogThanItMay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		most    string
		copying bool
		over    bool
	}{
		"copying":              {"4MB", true, true},
		"following":            {"4MB", false, true},
		"copying, a control":   {"1GB", true, false},
		"following, a control": {"1GB", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := server.Database(t), server.Database(t)
			postgrestest.Exec(t, a, things+"; insert into things values (1, 1, null, 1)")
			postgrestest.Exec(t, b, things)
			text := strings.Replace(followThings, "follow: true", "follow: true, most-log: "+c.most, 1)
			f := drivertest.Make(t, text, map[string]string{"A": a, "B": b}, parts()...).Actions["sync"].(driver.Background)
			l := &life{}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			work := func(e driver.Effect) {
				_, err := f.Apply(ctx, e)
				ended <- err
			}
			if !c.copying {
				if _, err := f.Apply(ctx, l.effect(f, t)); err != nil {
					t.Fatal(err)
				}
				postgrestest.Exec(t, a, "insert into things values (2, 2, null, 2)")
				work = func(e driver.Effect) { ended <- f.Run(ctx, e) }
			}
			free := locked(t, b, "things")
			go work(l.effect(f, t))
			if c.over {
				await(t, "it is given up", func() bool {
					postgrestest.Exec(t, a, much)
					return len(ended) > 0
				})
				if err := <-ended; err == nil || !strings.Contains(err.Error(), "more than most-log allows (4000000); the source need not keep it any longer: undo this step and take it anew") {
					t.Errorf("it says %v", err)
				}
				if n := postgrestest.Value(t, a, slots); n != "0" {
					t.Errorf("the source keeps %s logs", n)
				}
				free()
				if c.copying { // to try again is to take it anew
					return
				}
				if err := f.Run(t.Context(), l.effect(f, t)); err == nil || !strings.Contains(err.Error(), "is gone") {
					t.Errorf("when it is started again it says %v", err)
				}
				return
			}
			awaitWaiting(t, b)
			for range 6 {
				postgrestest.Exec(t, a, much)
			}
			free()
			if c.copying {
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				go func(e driver.Effect) { ended <- f.Run(ctx, e) }(l.effect(f, t))
			}
			postgrestest.Exec(t, a, "insert into things values (3, 3, null, 3)")
			equal(t, a, b, thingsSum)
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
}
