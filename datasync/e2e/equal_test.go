package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/integrity"
	"github.com/segue-run/segue/internal/soak"
)

// agitate changes a hundred things all the time, until ctx ends.
func agitate(ctx context.Context, t *testing.T, url string) (wait func()) {
	t.Helper()
	var all sync.WaitGroup
	for range 2 {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close(context.Background()) //nolint:errcheck // of a test
			for pace := time.NewTicker(4 * time.Millisecond); ctx.Err() == nil; <-pace.C {
				if _, err := conn.Exec(ctx, "update things set n = n + 1, v = v + 1 where id = $1", 1+rand.IntN(100)); err != nil && ctx.Err() == nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	return all.Wait
}

// The two sides of a sync are compared while others write: time and again they are
// equal, whatever is on its way, and what was changed behind the sync's back is
// found, and only that.
func TestSidesOfASyncAreComparedWhileOthersWrite(t *testing.T) {
	t.Parallel()
	rounds, plants := 1, []string{"all"}
	if soak.On() {
		rounds, plants = 20, []string{"changed", "missing", "extra", "all"}
	}
	a, b := server.Database(t), server.Database(t)
	postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(1, 2000) x")
	postgrestest.Exec(t, b, things)
	text := strings.Replace(followThings, "phases:\n  - name: one\n", `checks:
  same: {data.equal: {left: a, left-at: {table: things}, right: b, right-at: {table: things}, settle: 1s}}
phases:
  - name: one
    require: [same]
`, 1)
	made := drivertest.Make(t, text, map[string]string{"A": a, "B": b}, append(parts(), integrity.Parts()...)...)
	f := made.Actions["sync"].(driver.Background)
	l := &life{}
	if _, err := f.Apply(t.Context(), l.effect(f, t)); err != nil {
		t.Fatal(err)
	}
	ctx, calm := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func(e driver.Effect) { ended <- f.Run(ctx, e) }(l.effect(f, t))
	written := agitate(ctx, t, a)
	defer func() {
		calm()
		written()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	compare := func() (evidence.Reading, integrity.Report) {
		t.Helper()
		r := made.Checks["same"].Read(t.Context())
		var report integrity.Report
		if err := json.Unmarshal(r.Raw, &report); err != nil {
			t.Fatalf("%v %s: %v", r.Verdict, r.Detail, err)
		}
		return r, report
	}
	clean := func() (settled int64) {
		t.Helper()
		r, report := compare()
		if want := fmt.Sprintf("2000 records equal as of %s", report.AsOf.UTC().Format(time.RFC3339)); r.Verdict != evidence.Pass || r.Value != want {
			t.Errorf("%v %s: %s; want %q", r.Verdict, r.Value, r.Detail, want)
		}
		return report.Settled
	}
	var settled int64
	for range rounds {
		settled += clean()
	}
	for range 20 {
		if settled > 0 {
			break
		}
		settled += clean()
	}
	if settled == 0 {
		t.Error("nothing was on its way: the test shows nothing")
	}
	for _, plant := range plants {
		var want []string
		is := func(kind, example, sql string) {
			if plant == kind || plant == "all" {
				postgrestest.Exec(t, b, sql)
				want = append(want, example)
			}
		}
		is("changed", "1001 different n", "update things set n = -1 where id = 1001")
		is("missing", "1002 missing", "delete from things where id = 1002")
		is("extra", "3000 extra", "insert into things values (3000, 1, null, 0)")
		r, report := compare()
		var got []string
		for _, e := range report.Examples {
			one := e.Key + " " + e.What
			for _, field := range e.Fields {
				one += " " + field.Field
			}
			got = append(got, one)
		}
		slices.Sort(got)
		if n := report.Different + report.Missing + report.Extra + report.Doubled; r.Verdict != evidence.Fail || !slices.Equal(got, want) || n != int64(len(want)) {
			t.Errorf("%s: %v %s: %s; want %q and nothing else", plant, r.Verdict, r.Value, r.Detail, want)
		}
		if !soak.On() {
			break
		}
		postgrestest.Exec(t, b, "update things set n = 1001 where id = 1001; insert into things values (1002, 1002, null, 0) on conflict do nothing; delete from things where id = 3000")
	}
	if soak.On() {
		clean()
	}
	t.Logf("%d records were on their way in %d rounds", settled, rounds)
}
