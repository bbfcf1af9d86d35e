package tracker_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	. "github.com/segue-run/segue/examples/lekiwi/lekiwitest" //nolint:staticcheck // the words of the test
	"github.com/segue-run/segue/examples/lekiwi/tracker"
)

func TestTracker(t *testing.T) {
	w := Start(t)
	log := filepath.Join(t.TempDir(), "edge.log")
	Check(t, os.WriteFile(log, nil, 0o600))
	cfg := tracker.Config{
		Addr: FreeAddr(t), DatabaseURL: w.Stores.DatabaseURL, RedisURL: w.Stores.RedisURL, EdgeLog: log, MigrationConfig: w.MigrationConfig, Keep: 24 * time.Hour,
	}
	base := "http://" + cfg.Addr
	stop := Run(t, base, tracker.Run, cfg)
	has := func(line string) func() bool {
		return func() bool { return strings.Contains(Page(t, base+"/metrics"), "\n"+line) }
	}
	sum := func(table, where string) (n int) {
		conn, err := pgx.Connect(t.Context(), w.Stores.DatabaseURL)
		Check(t, err)
		defer conn.Close(context.Background())
		Check(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE "+where).Scan(&n))
		return n
	}

	t.Run("without requests there is no split", func(t *testing.T) {
		Await(t, "what was meant", has("migration_expected_split 10\n"))
		if has("migration_traffic_split")() {
			t.Error("it says one")
		}
	})
	t.Run("the split is what was served, and lines that are none are left out", func(t *testing.T) {
		write(t, log, line("legacy", "/robots/a b", "")+line("legacy", "/robots", "x")+line("new", "/robots/count", "")+line("monitor", "/ws", "y")+line("", "/", "")+"garbage\n"+"{\"half")
		Await(t, "the split", has("migration_traffic_split 50\n"))
		if a, b := sum("request_logs", "true"), sum("migration_tracking", "robot_id IN ('a b', 'x', 'y') AND response_time = 12"); a != 4 || b != 3 {
			t.Errorf("%d requests, %d of robots", a, b)
		}
	})
	t.Run("a restart and a log that is turned lose no line and double none", func(t *testing.T) {
		stop()
		write(t, log, `":1}`+"\n"+line("new", "/robots/late", ""))
		Check(t, os.Rename(log, log+".1"))
		stopAgain := Run(t, base, tracker.Run, cfg)
		defer stopAgain()
		Check(t, os.WriteFile(log, []byte(line("new", "/robots/newest", "")), 0o600))
		Await(t, "the newest", func() bool { return sum("migration_tracking", "robot_id = 'newest'") == 1 })
		write(t, log, line("new", "/robots/newest", ""))
		Await(t, "one more", func() bool { return sum("migration_tracking", "robot_id = 'newest'") == 2 })
		if n := sum("request_logs", "true"); n != 7 || sum("migration_tracking", "robot_id = 'late'") != 1 {
			t.Errorf("%d requests: 4 were there, one came while nobody looked, and two are new", n)
		}
	})
	t.Run("phases are noted once", func(t *testing.T) {
		if n := sum("migration_phases", "phase = '1'"); n != 1 {
			t.Errorf("phase 1 began %d times", n)
		}
	})
	t.Run("what is away is said, and its figures are absent", func(t *testing.T) {
		stopAgain := Run(t, base, tracker.Run, cfg)
		defer stopAgain()
		for _, name := range []string{"pg_up 1", "redis_up 1", `pg_stat_activity_count{state="idle"} `, "pg_settings_max_connections 200\n", "redis_memory_max_bytes 2.147483648e+09\n", "redis_keyspace_hits_total ", `robots_total{system="new",type="lekiwi"} 0`} {
			if !has(name)() {
				t.Errorf("%s is not there", name)
			}
		}
		w.Stores.StopRedis()
		w.Stores.StopPostgres()
		Await(t, "both to be away", func() bool { return has("pg_up 0\n")() && has("redis_up 0\n")() })
		if has("robots_total")() || has("redis_memory_used_bytes")() {
			t.Error("old figures are there still")
		}
		if code := Send(t, http.MethodGet, base+"/health", "", nil); code != 503 {
			t.Errorf("health: %d", code)
		}
		Check(t, w.Stores.StartPostgres())
		Check(t, w.Stores.StartRedis())
		Await(t, "both to be back", func() bool { return has("pg_up 1\n")() && has("redis_up 1\n")() })
	})
}

func line(side, path, robot string) string {
	return fmt.Sprintf(`{"at":"%d.250","side":%q,"server":"127.0.0.1:1","method":"GET","path":%q,"status":"200","time":"0.012","robot":%q}`+"\n", time.Now().Unix(), side, path, robot)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	Check(t, err)
	defer f.Close()
	_, err = f.WriteString(text)
	Check(t, err)
}
