package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nginx"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/runbook"
)

// counted is a table that counts what was written to it, whoever wrote.
const counted = `create table robots (id text primary key, n bigint not null, changed timestamptz not null, origin text);
	create table writes (id text, changed timestamptz, app text);
	create function noted() returns trigger language plpgsql as 'begin insert into writes values (new.id, new.changed, current_setting(''application_name'')); return null; end';
	create trigger counts after insert or update on robots for each row execute function noted()`

// Both directions follow while clients write to both sides. Each write comes over
// once at most: nothing that came over goes back, with a mark or without one.
func TestTwoSyncsThatFollowDoNotFeedEachOther(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]string{"marked": "mark: origin, ", "by version alone": "copy: [id, n, changed], "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"LEGACY": server.Database(t), "NEW": server.Database(t)}
			for _, db := range env {
				postgrestest.Exec(t, db, counted)
			}
			text := strings.Replace(between, "mark: origin", strings.TrimSuffix(mark, ", "), 1)
			text = strings.Replace(text, "every: 20ms", "follow: true", 1)
			running(t, fmt.Sprintf(text, "legacy", "new"), env)
			running(t, fmt.Sprintf(text, "new", "legacy"), env)
			var clients sync.WaitGroup
			for name, db := range env {
				clients.Go(func() { scribble(t, name, db, 300) })
			}
			clients.Wait()
			const sum = "select md5(string_agg(id || n || changed, ',' order by id)) from robots"
			const over = "select count(*) from writes where app = 'segue'"
			for round := range 3 {
				// What would go round has by now: this comes after it in both logs.
				for _, db := range env {
					postgrestest.Exec(t, db, fmt.Sprintf("insert into robots values ('last %d of ' || current_database(), 0, clock_timestamp())", round))
				}
				await(t, "both sides are equal", func() bool {
					return postgrestest.Value(t, env["LEGACY"], sum) == postgrestest.Value(t, env["NEW"], sum)
				})
			}
			for side, db := range env {
				var n int
				if _, err := fmt.Sscan(postgrestest.Value(t, db, over), &n); err != nil || n < 3 || n > 303 {
					t.Errorf("%s was written to %d times by a sync (%v), want at most the 303 writes of the other side's clients", side, n, err)
				}
				if again := postgrestest.Value(t, db, "select count(*) from (select from writes group by id, changed having count(*) > 1) x"); again != "0" {
					t.Errorf("%s versions were written to %s again", again, side)
				}
			}
		})
	}
}

// A trigger that stamps rows anew as they come over would have them go back as
// new, and so on for ever: that is refused, and nothing written.
func TestATriggerThatStampsWhatComesOverIsRefused(t *testing.T) {
	t.Parallel()
	for name, filled := range map[string]string{"while it is empty": "select", "once there are rows": "insert into robots values ('r1', 0, '2025-01-01')"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"LEGACY": server.Database(t), "NEW": server.Database(t)}
			for _, db := range env {
				postgrestest.Exec(t, db, counted)
			}
			postgrestest.Exec(t, env["LEGACY"], "insert into robots select 'r' || x, x, '2026-01-01' from generate_series(1, 9) x")
			postgrestest.Exec(t, env["NEW"], filled+`; delete from writes;
				create function touch() returns trigger language plpgsql as 'begin if current_setting(''application_name'') <> ''polite'' then new.changed := clock_timestamp(); end if; return new; end';
				create trigger touches before insert or update on robots for each row execute function touch()`)
			sync := drivertest.Make(t, fmt.Sprintf(between, "legacy", "new"), env, parts()...).Actions["sync"]
			_, err := sync.Apply(t.Context(), (&life{}).effect(sync, t))
			if err == nil || !strings.Contains(err.Error(), "a trigger of table public.robots gives rows another changed") {
				t.Errorf("Apply: %v", err)
			}
			if n := postgrestest.Value(t, env["NEW"], "select count(*) from writes"); n != "0" {
				t.Errorf("%s rows were written", n)
			}
			postgrestest.Exec(t, env["NEW"], "create or replace function touch() returns trigger language plpgsql as 'begin if current_setting(''application_name'') <> ''segue'' then new.changed := clock_timestamp(); end if; return new; end'")
			if _, err := sync.Apply(t.Context(), (&life{}).effect(sync, t)); err != nil {
				t.Errorf("one that leaves alone what comes over: %v", err)
			}
		})
	}
}

// What can be seen to go round is refused before anything runs.
func TestSyncsThatWouldGoRoundAreRefused(t *testing.T) {
	t.Parallel()
	cat := &driver.Catalog{}
	cat.Add(parts()...)
	for name, c := range map[string]struct{ there, back, want string }{
		"versions both ways":    {"version: v", "version: v", ""},
		"no version one way":    {"version: v", "overwrite: true", "they would go round for ever"},
		"no version either way": {"overwrite: true", "overwrite: true", "they would go round for ever"},
		"a version that grows": {
			"version: v, map: {id: id, v: {expr: record.v + 1}}, samples: [{given: {id: a, v: 1}, want: {id: a, v: 2}}]", "version: v",
			"sample 1 of the sync from old to new is newer once it has come over and back",
		},
		"one that grows on the way back": {
			"version: v", "version: v, map: {id: id, v: {expr: record.v + 1}}, samples: [{given: {id: a, v: 1}, want: {id: a, v: 2}}]",
			"sample 1 of the sync from new to old is newer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const text = `
segue: v1
name: round
connections:
  old: {postgres: {url: "${OLD}"}}
  new: {postgres: {url: "${NEW}"}}
phases:
  - name: one
    steps:
      - name: There
        sync.continuous: {from: old, read: {table: t}, to: new, write: {table: t}, key: [id], %s}
      - name: Back
        sync.continuous: {from: new, read: {table: BACK}, to: old, write: {table: BACK}, key: [id], %s}
`
			_, err := runbook.Parse("round.yaml", []byte(strings.ReplaceAll(fmt.Sprintf(text, c.there, c.back), "BACK", "t")), cat, runbook.Values{})
			if (err != nil) != (c.want != "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "beside step one/there")) {
				t.Errorf("%v, want %q", err, c.want)
			}
			// Other tables have nothing to do with each other.
			if _, err := runbook.Parse("round.yaml", []byte(strings.ReplaceAll(fmt.Sprintf(text, c.there, c.back), "BACK", "u")), cat, runbook.Values{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A way back that comes after what sends clients to the new side is undone, and
// drained, before they are back: lint says so.
func TestAWayBackThatIsDrainedTooEarlyIsNoted(t *testing.T) {
	t.Parallel()
	cat := &driver.Catalog{}
	cat.Add(parts()...)
	cat.Add(nginx.Parts()...)
	const (
		split = `
      - {name: Clients, nginx.split: {on: front, new: %s}}`
		back = `
      - {name: Back, sync.continuous: {from: new, read: {table: t}, to: old, write: {table: t}, key: [id], version: v, drain: %s}}`
		text = `
segue: v1
name: early
connections:
  old: {postgres: {url: "${OLD}"}}
  new: {postgres: {url: "${NEW}"}}
  front: {nginx: {config: "${CONF}", logs: "${LOGS}", control: "${CONTROL}"}}
phases:
  - name: one
    steps:`
	)
	for steps, noted := range map[string]bool{
		fmt.Sprintf(split+back, "10%", "true"):  true,
		fmt.Sprintf(split+back, "10%", "false"): false,
		fmt.Sprintf(split+back, "0%", "true"):   false,
		fmt.Sprintf(back+split, "true", "10%"):  false,
	} {
		rb, err := runbook.Parse("early.yaml", []byte(text+steps), cat, runbook.Values{})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, w := range runbook.Lint(rb) {
			found = found || strings.Contains(w.String(), "a rollback undoes it before step one/clients")
		}
		if found != noted {
			t.Errorf("noted: %t, want %t, of%s: %v", found, noted, steps, runbook.Lint(rb))
		}
	}
}
