package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

func TestADumpIsProvedInAServerOfItsOwn(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	postgrestest.Exec(t, url, `drop role if exists nobody_else; create role nobody_else;
		create table robots (id int primary key, name text); insert into robots select i, 'r' || i from generate_series(1, 50) i;
		alter table robots owner to nobody_else; create policy own on robots to nobody_else using (true); create extension if not exists pg_stat_statements; create table events (n int)`)
	db := connect(t, url)
	dir := t.TempDir()
	d, err := db.Dump(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"public.robots": 50, "public.events": 0}, d.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	postgrestest.Exec(t, url, "drop table robots") // the live database is not asked
	if err := db.Prove(t.Context(), dir, d); err != nil {
		t.Errorf("a dump that is right: %v", err)
	}
	names, err := dumps(dir, db.name)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	// Negative controls: another count than the dump has, and another byte.
	m, err := readManifest(dir, names[0])
	if err != nil {
		t.Fatal(err)
	}
	m.Rows["public.robots"] = 51
	if err := m.write(dir, names[0]); err != nil {
		t.Fatal(err)
	}
	if err := db.Prove(t.Context(), dir, d); err == nil || !strings.Contains(err.Error(), "public.robots: 51 rows → 50") {
		t.Errorf("another count: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, names[0]))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(filepath.Join(dir, names[0]), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.Prove(t.Context(), dir, d); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("another byte: %v", err)
	}
}
