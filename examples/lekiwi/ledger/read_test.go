package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/discovery"
	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/ledger"
	"github.com/segue-run/segue/examples/lekiwi/legacy"
	"github.com/segue-run/segue/examples/lekiwi/lekiwitest"
	"github.com/segue-run/segue/examples/lekiwi/monitor"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/examples/lekiwi/teleoperation"
)

// live is Lekiwi's services of both sides on real stores.
type live struct {
	stores                            *system.Stores
	legacy, discovery, watch, drivers string // URLs
	gateway                           string
}

func start(t *testing.T) *live {
	t.Helper()
	w := lekiwitest.Start(t, rollout.EventDrivenDiscovery, rollout.WebsocketMonitoring, rollout.TeleoperationOptimization)
	var addr [6]string
	for i := range addr {
		addr[i] = lekiwitest.FreeAddr(t)
	}
	at := func(i int) string { return "http://" + addr[i] }
	l := &live{stores: w.Stores, legacy: at(0), discovery: at(1), watch: at(2), drivers: at(3), gateway: addr[4]}
	robots, states := "http://"+l.gateway+"/{ip}/status", []string{w.StateURL}
	lekiwitest.Run(t, l.legacy, legacy.Run, legacy.Config{Addr: addr[0], RobotURL: robots, PollEvery: 200 * time.Millisecond, PollTimeout: 20 * time.Millisecond})
	lekiwitest.Run(t, l.discovery, discovery.Run, discovery.Config{
		Addr: addr[1], StateURLs: states, RobotURL: robots, MigrationConfig: w.MigrationConfig,
		SweepEvery: time.Second, ProbeAfter: time.Minute, ProbeTimeout: 100 * time.Millisecond,
	})
	lekiwitest.Run(t, at(5), monitor.Run, monitor.Config{Addr: addr[5], WebSocketAddr: addr[2], StateURLs: states, MigrationConfig: w.MigrationConfig})
	lekiwitest.Run(t, l.drivers, teleoperation.Run, teleoperation.Config{Addr: addr[3], DatabaseURL: w.Stores.DatabaseURL, StateURLs: states, MigrationConfig: w.MigrationConfig})
	return l
}

func (l *live) load(t *testing.T, url string) (fleet.Stats, fleet.Journal) {
	t.Helper()
	cfg := fleet.Config{
		Seed: 3, Run: "t", Robots: 300, WebSocketShare: 0.5, Heartbeats: 300, Polls: 50, Duration: 3 * time.Second,
		URL: url, Gateway: l.gateway, Journal: filepath.Join(t.TempDir(), "journal"),
	}
	if url == l.discovery {
		cfg.Watchers, cfg.WatchURL, cfg.Drives, cfg.SessionsURL = 30, l.watch, 10, l.drivers
	}
	stats, err := fleet.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	j, err := fleet.ReadJournal(cfg.Journal)
	if err != nil {
		t.Fatal(err)
	}
	return stats, j
}

func take(t *testing.T, src ledger.Source, j fleet.Journal, settle time.Duration) ledger.Result {
	t.Helper()
	r, err := ledger.Take(t.Context(), src, j, false, settle)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheNewSystemHoldsWhatItAcknowledged(t *testing.T) {
	l := start(t)
	stats, j := l.load(t, l.discovery)
	src := ledger.Source{DatabaseURL: l.stores.DatabaseURL}
	r := take(t, src, j, 5*time.Second)
	if !r.OK() || r.Acked < 890 || r.Stored != r.Acked || r.New.Robots != 300 || r.Sessions == 0 || r.Events <= int64(r.Acked) {
		var out strings.Builder
		_ = r.WriteTable(&out)
		t.Fatal(out.String(), stats.Lines())
	}
	if f := stats.Fanout; f.Connected != 30 || f.Measured == 0 {
		t.Errorf("watchers: %+v", f)
	}

	// What the superuser does behind the services' back.
	conn, err := pgx.Connect(t.Context(), l.stores.SuperURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // of a test
	const last = "(SELECT max(seq) FROM events)"
	for name, tt := range map[string]struct{ sql, want string }{
		"an event that is gone":        {"DELETE FROM events WHERE seq = (SELECT seq FROM events WHERE kind = 'heartbeat' ORDER BY seq LIMIT 1)", "lost=1 gaps=1 not_rebuilt=1"},
		"an event that is there twice": {"INSERT INTO events SELECT " + last + " + 1, gen_random_uuid(), robot_id, kind, at, record, changed FROM events WHERE kind = 'heartbeat' ORDER BY seq DESC LIMIT 1", "doubled=1 not_rebuilt=1"},
		"a robot that is gone":         {"DELETE FROM robots WHERE id = (SELECT min(id) FROM robots)", "not_rebuilt=1 new_missing=1"},
		"a robot of another type":      {"UPDATE robots SET type = 'drone' WHERE id = (SELECT min(id) FROM robots)", "not_rebuilt=1 new_differ=1"},
		"a robot of nobody":            {"UPDATE robots SET id = 'ghost' WHERE id = (SELECT min(id) FROM robots)", "not_rebuilt=2 new_missing=1 new_extra=1"},
		"a session that is gone":       {"DELETE FROM teleoperation_sessions WHERE id = (SELECT min(id) FROM teleoperation_sessions WHERE source = 'operator')", "sessions_lost=1"},
		"a session of somebody else":   {"UPDATE teleoperation_sessions SET operator = 'x' WHERE id = (SELECT min(id) FROM teleoperation_sessions WHERE source = 'operator')", "sessions_differ=1"},
	} {
		t.Run(name, func(t *testing.T) {
			// Nothing of this stays: the ledger reads in the same transaction.
			errUndo := errors.New("undo")
			err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), "ALTER TABLE events DISABLE TRIGGER append_only; "+tt.sql); err != nil {
					return fmt.Errorf("plant: %w", err)
				}
				n, err := ledger.ReadNew(t.Context(), tx)
				if err != nil {
					return err
				}
				if got := findings(ledger.Count(j, ledger.World{New: n}, false)); got != tt.want {
					t.Errorf("found %q, want %q", got, tt.want)
				}
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				t.Fatal(err)
			}
		})
	}
}

// findings are those parts of the line that are not 0.
func findings(r ledger.Result) string {
	var out []string
	for word := range strings.FieldsSeq(r.Line()) {
		name, n, _ := strings.Cut(word, "=")
		switch name {
		case "ledger:", "acked", "sent", "stored", "sessions":
		default:
			if n != "0" {
				out = append(out, word)
			}
		}
	}
	return strings.Join(out, " ")
}

func TestTheLegacySystemHoldsWhatItAcknowledged(t *testing.T) {
	l := start(t)
	_, j := l.load(t, l.legacy)
	src := ledger.Source{LegacyURL: l.legacy}
	r := take(t, src, j, 5*time.Second)
	if !r.OK() || r.Acked < 890 || r.Legacy.Robots != 300 || r.New != nil {
		var out strings.Builder
		_ = r.WriteTable(&out)
		t.Fatal(out.String())
	}
	// One that forgets, as it does when it is started again.
	r = take(t, ledger.Source{LegacyURL: start(t).legacy}, j, 0)
	if r.Legacy.Missing != 300 || r.OK() {
		t.Errorf("an empty one: %s", r.Line())
	}
	if _, err := ledger.Read(t.Context(), ledger.Source{LegacyURL: "http://" + lekiwitest.FreeAddr(t)}); err == nil {
		t.Error("one that does not answer is no empty one")
	}
}
