package postgrestest_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

var server postgrestest.Shared

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

func TestDatabasesAreFreshAndReachableBothWays(t *testing.T) {
	one, two := server.Database(t), server.Database(t)
	postgrestest.Exec(t, one, "create table t (n int); insert into t values (7)")
	if got := postgrestest.Value(t, one, "select n from t"); got != "7" {
		t.Errorf("n = %q, want 7", got)
	}
	if got := postgrestest.Value(t, two, "select to_regclass('t')"); got != "" {
		t.Errorf("the second database has table %q of the first", got)
	}
	if got := postgrestest.Value(t, server.Server(t).SocketURL("postgres"), "select 1"); got != "1" {
		t.Errorf("over the socket: %q, want 1", got)
	}
}

func TestAServerCanBeFrozenStoppedAndRunAgain(t *testing.T) {
	s := postgrestest.Start(t)
	postgrestest.Exec(t, s.URL("postgres"), "create table t (n int)")

	s.Freeze(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := pgx.Connect(ctx, s.URL("postgres")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connecting to a frozen server: %v, want a deadline", err)
	}
	s.Thaw()
	postgrestest.Value(t, s.URL("postgres"), "select 1")

	s.Stop(t)
	if _, err := pgx.Connect(t.Context(), s.URL("postgres")); err == nil {
		t.Error("a stopped server answers")
	}
	s.Restart(t)
	if got := postgrestest.Value(t, s.URL("postgres"), "select to_regclass('t')"); got != "t" {
		t.Errorf("after the restart the table is %q", got)
	}
	s.Kill(t)
	s.Restart(t)
}
