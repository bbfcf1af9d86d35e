package postgres

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

var server postgrestest.Shared

func TestMain(m *testing.M) {
	flag.Parse()
	// Those that have servers of their own wait for them most of the time.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(server.Run(m))
}

func connect(t testing.TB, url string) *DB {
	t.Helper()
	db, err := open(t.Context(), connParams{URL: url, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestIdentityIsTheSameByAnyAddress(t *testing.T) {
	s := server.Server(t)
	tcp, err := connect(t, s.URL("postgres")).ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	socket, err := connect(t, s.SocketURL("postgres")).ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tcp != socket {
		t.Errorf("over TCP %q, over the socket %q", tcp, socket)
	}
	other, err := connect(t, s.URL("template1")).ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if other == tcp {
		t.Errorf("two databases share the identity %q", tcp)
	}
}

func TestIdentityWithoutTheRightToSeeTheControlFile(t *testing.T) {
	s, url := server.Server(t), server.Database(t)
	postgrestest.Exec(t, url, `revoke execute on function pg_control_system() from public;
		drop role if exists lowly; create role lowly login password 'lowly'`)
	db := connect(t, strings.Replace(url, postgrestest.User+":pg%2Fsecret+of%20tests@", "lowly:lowly@", 1))
	id, err := db.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	if want := "postgres:127.0.0.1:" + port; !strings.HasPrefix(id, want) {
		t.Errorf("identity %q, want it to begin with %q", id, want)
	}
}

func TestChecksCannotWrite(t *testing.T) {
	db := connect(t, server.Database(t))
	err := db.read(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "create table t ()")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "read-only transaction") {
		t.Errorf("a write in a check: %v, want it refused", err)
	}
}

func TestAReadOutlivesARestartOfTheServer(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	db := connect(t, s.URL("postgres"))
	before, err := db.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	s.Restart(t)
	db.id = ""
	after, err := db.ID(t.Context())
	if err != nil || after != before {
		t.Errorf("after a restart: %q, %v; want %q", after, err, before)
	}
}

func TestNoErrorTextShowsThePassword(t *testing.T) {
	const password = "s3cret/+?word"
	for name, url := range map[string]string{
		"a refused login":           server.Server(t).URL("postgres"),
		"a port that is none":       "postgres://u:s3cret%2F+%3Fword@localhost:port/db",
		"an unescaped password":     "postgres://u:s3cret/+?word@localhost:5432/db",
		"a broken escape":           "postgres://u:s3cret%2F+%3Fword%zz@localhost/db",
		"no @":                      "postgres://u:s3cret%2F+%3Fword",
		"a wrong option":            "postgres://u:s3cret%2F+%3Fword@localhost/db?sslmode=perhaps",
		"key=value and a wrong one": "user=u password=s3cret/+?word port=x",
		"an open quote":             "user=u password='s3cret/+?word",
	} {
		t.Run(name, func(t *testing.T) {
			url := strings.Replace(url, "pg%2Fsecret+of%20tests", "s3cret%2F+%3Fword", 1)
			db, err := open(t.Context(), connParams{URL: url, Timeout: time.Second})
			if err == nil {
				defer db.Close()
				_, err = db.ID(t.Context())
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, form := range []string{password, "s3cret"} {
				if strings.Contains(err.Error(), form) {
					t.Errorf("the password shows: %v", err)
				}
			}
			t.Log(err)
		})
	}
}

func TestHiddenErrorsKeepTheirKind(t *testing.T) {
	base := errors.New("login with hunter2 failed")
	err := secret("hunter2").hide(base)
	if !errors.Is(err, base) || err.Error() != "login with [secret] failed" {
		t.Errorf("hide gives %v", err)
	}
}
