package e2e

import (
	"fmt"
	"testing"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const table = `create table robots (id text primary key, type text not null, status text not null, ip text, last_seen timestamptz not null, ssh_port int, driven boolean)`

const toTable = `
segue: v1
name: sync
connections:
  legacy: {http: {url: "${LEGACY}"}}
  new: {postgres: {url: "${DB}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once:
          from: legacy
          read: {path: /robots, items: robots, next: next, after: after, limit: limit, total: total}
          to: new
          write: {table: robots}
          key: [id]
          version: last_seen
          map:
            id: [id, ip_address]
            ip: ip_address
            status: {from: status, values: {running: online, stopped: offline, updating: deploying, failed: error, unknown: offline}, default: offline}
            type:
              - {from: type, lower: true, values: {lekiwi: lekiwi, xlerobot: xlerobot, xle: xlerobot}}
              - {expr: 'record.hostname.contains("xle") ? "xlerobot" : "lekiwi"'}
              - {value: unknown}
            last_seen: {from: last_seen, as: time}
            ssh_port: {from: ssh_port, as: int}
            driven: {from: teleoperation, as: bool}
          samples:
            - given: {ip_address: 10.0.0.9, last_seen: "2025-01-29T10:00:00"}
              want: {id: 10.0.0.9, ip: 10.0.0.9, status: offline, type: unknown, last_seen: "2025-01-29T10:00:00Z"}
            - given: {id: a, hostname: xle-7, status: failed, last_seen: "2025-01-29T10:00:00+02:00"}
              want: {id: a, status: error, type: xlerobot, last_seen: "2025-01-29T08:00:00Z"}
            - {given: {id: a, last_seen: yesterday}, refuse: no time}
          batch-size: 50
`

func TestRobotsOverHTTPBecomeRowsOfATable(t *testing.T) {
	legacy, db := newRobots(t, fleet(1234)...), server.Database(t)
	postgrestest.Exec(t, db, table)
	env := map[string]string{"LEGACY": legacy.URL, "DB": db}

	if got, want := counts(apply(t, toTable, env)), "read 1234, changed 1234, unchanged 0, bad 0, deleted 0"; got != want {
		t.Errorf("first: %s, want %s", got, want)
	}
	const sum = "select count(*) || ' ' || count(*) filter (where type = 'lekiwi' and status = 'online' and ssh_port = 22) || ' ' || count(*) filter (where driven) || ' ' || max(last_seen at time zone 'UTC') from robots"
	if got, want := postgrestest.Value(t, db, sum), "1234 1234 177 2025-01-29 10:20:33"; got != want {
		t.Errorf("the table has %s, want %s", got, want)
	}
	if got, want := counts(apply(t, toTable, env)), "read 1234, changed 0, unchanged 1234, bad 0, deleted 0"; got != want {
		t.Errorf("again: %s, want %s", got, want)
	}
}

func TestAnOlderRecordNeverTakesTheePlaceOfANewer(t *testing.T) {
	records := fleet(3)
	legacy, db := newRobots(t, records...), server.Database(t)
	postgrestest.Exec(t, db, table+`; insert into robots (id, type, status, last_seen) values
		('robot-00000', 'new', 'error', '2025-01-29 10:00:01Z'), ('robot-00001', 'old', 'error', '2025-01-29 09:00:00Z')`)
	got := counts(apply(t, toTable, map[string]string{"LEGACY": legacy.URL, "DB": db}))
	if want := "read 3, changed 2, unchanged 1, bad 0, deleted 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := postgrestest.Value(t, db, "select string_agg(type, ' ' order by id) from robots"); got != "new lekiwi lekiwi" {
		t.Errorf("types are %s", got)
	}
}

const toImport = `
segue: v1
name: sync
connections:
  legacy: {http: {url: "${LEGACY}"}}
  new: {http: {url: "${NEW}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once:
          from: legacy
          read: {path: /robots, items: robots, total: total}
          to: new
          write: {path: /import, body: robots, total: total, rejected: rejected}
          key: [id]
          version: last_seen
          copy: ["*"]
          map:
            id: [id, ip_address]
          batch-size: %d
`

func TestRobotsOverHTTPAreImportedOverHTTP(t *testing.T) {
	records := fleet(120)
	delete(records[7], "id")
	delete(records[8], "type")
	legacy, next := newRobots(t, records...), newRobots(t)
	got := counts(apply(t, fmt.Sprintf(toImport, 50), map[string]string{"LEGACY": legacy.URL, "NEW": next.URL}))
	if want := "read 120, changed 120, unchanged 0, bad 0, deleted 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if next.count() != 120 || fmt.Sprint(next.sizes) != "[50 50 20]" || fmt.Sprint(next.totals) != "[120 120 120]" {
		t.Errorf("%d robots came in batches of %v, of %v", next.count(), next.sizes, next.totals)
	}
	if _, there := next.get("10.0.0.7"); !there {
		t.Error("the robot without an id is not known by its address")
	}
}
