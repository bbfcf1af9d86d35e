package postgres

import (
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
)

const asWritten = `
segue: v1
name: all-of-postgres
connections:
  db: {postgres: {url: "${DATABASE_URL}", timeout: 5s}}
checks:
  stored:  {sql: {on: db, query: "select rmssd from hrv_data where user_id = $1", args: [phase2-test-user], expect: "rows.size() == 1 && rows[0].rmssd == 42.5", timeout: 2s}}
  ping:    {postgres.ping: {on: db, below: 10s}}
  pool:    {postgres.pool: {on: db, below: 90%}}
  files:   {postgres.backup-age: {dir: "${BACKUPS}", pattern: "*.dump", newer-than: 6h}}
  open:    {postgres.sessions: {on: db, states: [idle in transaction], for: 1m, fewer-than: 5, below: 80%}}
  backups: {postgres.backup-age: {on: db, query: "select now() - interval '1 hour'", newer-than: 6h}}
phases:
  - name: one
    steps:
      - name: Pack it closer
        postgres.change:
          on: db
          do: alter table hrv_data set (fillfactor = 70)
          undo: alter table hrv_data reset (fillfactor)
          observe: select reloptions[1] from pg_class where relname = 'hrv_data'
          want: fillfactor=70
          lock-timeout: 2s
          timeout: 30s
      - name: Keep events
        postgres.change:
          on: db
          do: create table vendor_events (id text primary key)
          undo: drop table vendor_events
          holds: select count(*) from vendor_events
          observe: select to_regclass('vendor_events') is not null
          want: true
      - name: Cut who was left behind
        postgres.terminate-idle: {on: db, for: 10m, application: nobody}
      - name: Forget
        point-of-no-return: true
        approve: {roles: [owner]}
        postgres.irreversible:
          on: db
          do: delete from hrv_data
          observe: select count(*) from hrv_data
          want: 0
          loses: every reading
`

const settingAsWritten = `
segue: v1
name: a-setting
connections:
  db: {postgres: {url: "${DATABASE_URL}"}}
phases:
  - name: one
    steps:
      - name: More room
        postgres.setting: {on: db, set: {max_connections: 300, shared_buffers: 1GB, log_checkpoints: true}, restart: [systemctl, restart, postgresql], timeout: 2m}
`

func TestASettingMayBeANumberOrAYes(t *testing.T) {
	made := drivertest.Make(t, settingAsWritten, map[string]string{"DATABASE_URL": server.Database(t)}, Parts()...)
	a := made.Actions["More room"].(*serverSettings)
	if a.p.Set["max_connections"] != "300" || a.p.Set["log_checkpoints"] != "true" || len(a.Resources()) != 3 {
		t.Errorf("%+v", a.p)
	}
}

func TestPartsWorkAsWritten(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, "create table hrv_data (user_id text, rmssd numeric); insert into hrv_data values ('phase2-test-user', 42.5)")
	made := drivertest.Make(t, asWritten, map[string]string{"DATABASE_URL": url, "BACKUPS": t.TempDir()}, Parts()...)
	want := map[string]evidence.Verdict{
		"stored": evidence.Pass, "ping": evidence.Pass, "pool": evidence.Pass, "open": evidence.Pass, "backups": evidence.Pass, "files": evidence.Fail,
	}
	for name, check := range made.Checks {
		if r := check.Read(t.Context()); r.Verdict != want[name] {
			t.Errorf("%s: %+v, want %v", name, r, want[name])
		}
	}
	for name, action := range made.Actions {
		before, err := action.Observe(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wanted, err := action.Plan(before)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := action.Apply(t.Context(), always(driver.Effect{Before: before, Want: wanted})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
