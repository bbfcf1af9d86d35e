package postgres

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// TestAwkwardNamesAndPasswords goes the whole way: back up, restore, undo.
func TestAwkwardNamesAndPasswords(t *testing.T) {
	const password = `a'b\c:d e/ü"=$HOME`
	admin := server.Server(t).URL("postgres")
	postgrestest.Exec(t, admin, `drop role if exists "Mc'Role \x"`)
	postgrestest.Exec(t, admin, `create role "Mc'Role \x" login createdb password '`+strings.ReplaceAll(password, "'", "''")+`'`)
	for i, name := range []string{`O'Hara "DB"`, `Back\slash`, "UPPER", "host=elsewhere", "postgres://x", "ü ../../etc", "-1"} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { dropDatabase(t, name); dropDatabase(t, name+" 'R'") })
			postgrestest.Exec(t, admin, `create database "`+strings.ReplaceAll(name, `"`, `""`)+`" owner "Mc'Role \x"`)
			goesTheWholeWay(t, []string{"URL", "key=value"}[i%2], name, password)
		})
	}
}

func goesTheWholeWay(t *testing.T, form, name, password string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "back ups'")
	u, err := url.Parse(server.Server(t).URL("x"))
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(`Mc'Role \x`, password), "/"+name
	at := u.String()
	if form == "key=value" {
		q := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
		at = fmt.Sprintf(`host=%s port=%s user='%s' password='%s' dbname='%s' sslmode=disable`, u.Hostname(), u.Port(), q.Replace(`Mc'Role \x`), q.Replace(password), q.Replace(name))
	}
	db := connect(t, at)
	if _, err := db.pool.Exec(t.Context(), `create table if not exists "T'a" ("a row" int); insert into "T'a" values (1)`); err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	backedUp(t, db, dir)
	a := restoreOn(t, db, restoreParams{From: dir, Into: name + " 'R'"})
	e, err := apply(t.Context(), a)
	if err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	now, _, err := a.look(t.Context())
	if err != nil || now.Rows[`public."T'a"`] == 0 {
		t.Errorf("%s: %+v, %v", form, now, err)
	}
	if err := a.Undo(t.Context(), e); err != nil {
		t.Errorf("%s: undo: %v", form, err)
	}
}

func TestSettingsAreReadFromEitherForm(t *testing.T) {
	want := map[string]string{"sslmode": "verify-full", "sslrootcert": "/etc/a b.crt", "options": "-c role=x"}
	for _, conn := range []string{
		"postgres://u:p@h/db?sslmode=verify-full&sslrootcert=/etc/a%20b.crt&options=-c%20role%3Dx",
		"postgresql://u:p@h1:1,h2:2/db?sslmode=verify-full&sslrootcert=/etc/a%20b.crt&options=-c%20role%3Dx",
		`sslmode=verify-full sslrootcert = '/etc/a b.crt' options='-c role=x'`,
		`options='-c role=x'  sslrootcert=/etc/a\ b.crt sslmode='verify-full'`,
	} {
		if d := cmp.Diff(want, settings(conn)); d != "" {
			t.Errorf("%s (-want +got):\n%s", conn, d)
		}
	}
}

func TestOptionsOfTheURLReachTheClientPrograms(t *testing.T) {
	at := server.Database(t)
	postgrestest.Exec(t, at, `drop role if exists owner_of_t; create role owner_of_t; grant owner_of_t to `+postgrestest.User)
	postgrestest.Exec(t, at, "create table t (n int); alter table t owner to owner_of_t; create table mine (n int)")
	db := connect(t, at+"&options=-c%20role%3Downer_of_t&work_mem=8MB&target_session_attrs=any")
	_, err := apply(t.Context(), backupOn(t, db, backupParams{To: t.TempDir()}))
	if err == nil || !strings.Contains(err.Error(), "permission denied for table mine") {
		t.Errorf("a backup as a role that may not read all: %v", err)
	}
}
