package system_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/examples/athlete-ally/system/systemtest"
	"github.com/segue-run/segue/internal/soak"
)

// crash: process-compose of a second system dies, and Down takes the rest away
// without the first system's noticing.
func (w *walk) crash(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable + ": it brings a second system up")
	}
	sys := systemtest.Start(t, system.Options{})
	h, err := sys.NormalizeHealth(t.Context(), 0)
	if err != nil || h.Version != "dev" {
		t.Errorf("without a release asked for it says %q, %v; want what its build says", h.Version, err)
	}
	found, err := filepath.Glob(filepath.Join(sys.Env.PostgresBackup, "athlete_ally-*.dump"))
	check(t, err)
	if len(found) != 1 {
		t.Fatalf("a fresh system has the backups %v", found)
	}
	readable(t, found[0])
	pids := systemPIDs(t, sys)
	for pid, name := range pids {
		if name == "process-compose" {
			check(t, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	if len(pids) < 9 {
		t.Fatalf("a system of only %d processes: %v", len(pids), pids)
	}
	check(t, system.Down(t.Context(), sys.Dir))
	if left := systemPIDs(t, sys); len(left) != 0 {
		t.Errorf("left running: %v", left)
	}
	if _, err := os.Stat(sys.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", sys.Dir, err)
	}
	check(t, system.Down(t.Context(), sys.Dir)) // and again
	check(t, w.sys.AwaitHealthy(t.Context()))
}

func TestDownLeavesOtherDirectoriesAlone(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))
	if err := system.Down(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not a system's directory") {
		t.Errorf("Down of a foreign directory: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
		t.Error(err)
	}
	if _, err := system.Start(t.Context(), system.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("Start in a foreign directory: %v", err)
	}
}

func TestStartNamesTheRemedyForAMissingBinary(t *testing.T) {
	t.Setenv("PATH", "/nonexistent")
	_, err := system.Start(t.Context(), system.Options{Bin: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "run script/setup and make build") {
		t.Errorf("error = %v", err)
	}
}

// systemPIDs finds a system's processes without the help of the code under
// test; a zombie has no environment.
func systemPIDs(t *testing.T, sys *system.System) map[int]string {
	t.Helper()
	found := map[int]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	check(t, err)
	for _, dir := range dirs {
		environ, _ := os.ReadFile(dir + "/environ")
		cwd, _ := os.Readlink(dir + "/cwd")
		if strings.Contains(string(environ), "="+sys.Dir+"\x00") || strings.HasPrefix(cwd, sys.Dir+"/") {
			name, _ := os.ReadFile(dir + "/comm")
			pid, err := strconv.Atoi(filepath.Base(dir))
			check(t, err)
			found[pid] = strings.TrimSpace(string(name))
		}
	}
	return found
}

// One system serves the whole walk: each step finds it as the one before left
// it, as in a migration.
func TestSystemUnderLoad(t *testing.T) {
	t.Parallel()
	w := &walk{sys: systemtest.Start(t, system.Options{Release: "test-1"}), settle: 60 * time.Second}
	w.connect(t)

	t.Run("the table names every process and no secret", w.table)
	t.Run("a plain move of the vendor subjects loses nothing that was acknowledged", w.moveVendor)
	t.Run("the ledger finds what is planted", w.negativeControls)
	t.Run("green, the next release, reads beside blue and goes again", w.green)
	t.Run("who reads the new streams alone leaves messages stuck in the old one", w.stuck)
	t.Run("a stopped database costs no message", w.databaseAway)
	t.Run("normalize dead-letters everything when told to", w.deadLetterAll)
	t.Run("single mode reads the legacy stream alone, however it is asked for", w.singleMode)
	t.Run("down needs no process-compose and leaves the neighbour alone", w.crash)
	t.Run("a stopped NATS node costs no message", w.nodeAway)
}

func (w *walk) table(t *testing.T) {
	var out bytes.Buffer
	check(t, w.sys.WriteTable(t.Context(), &out))
	for _, name := range []string{"nats1", "nats2", "nats3", "postgres", "prometheus", "ingest-0", "normalize-0", "normalize-1", "normalize-green-0", "normalize-green-1"} {
		if !strings.Contains(out.String(), name+" ") {
			t.Errorf("%s is not in the table:\n%s", name, &out)
		}
	}
	for _, secret := range []string{w.sys.Env.OuraSecret, w.sys.Env.AdminToken, w.sys.Env.NATSSystem} {
		if strings.Contains(out.String(), secret) {
			t.Error("a secret is in the table")
		}
	}
	info, err := os.Stat(filepath.Join(w.sys.Dir, "env"))
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("DIR/env has mode %v", info.Mode())
	}
	owner, err := os.Stat(filepath.Join(w.sys.Dir, "data", "nats1"))
	check(t, err)
	if st, ok := owner.Sys().(*syscall.Stat_t); !ok || st.Uid == 0 {
		t.Error("NATS runs as root")
	}
}

func (w *walk) moveVendor(t *testing.T) {
	r := w.load(t, "move", 500, func(ctx context.Context) {
		w.stream(t, event.StreamDLQ, "dlq.>")
		legacy := system.Legacy()
		legacy.Subjects = []string{"athlete-ally.>", "sleep.*"}
		_, err := w.js.UpdateStream(ctx, legacy)
		check(t, err)
		hot := w.stream(t, event.StreamVendor, "vendor.>")
		_, err = hot.CreateConsumer(ctx, system.Durables()[1])
		check(t, err)
		w.awaitStreams(t, event.DurableOura, event.StreamVendor, event.StreamLegacy)
	})
	if r.Lost+r.Doubled+r.OutOfOrder+r.Ingest5xx+r.Unexpected+r.Pending+r.Kept != 0 || !r.Settled {
		t.Errorf("ledger: %+v", r)
	}
	if r.StoredIn[event.StreamVendor] == 0 || r.StoredIn[event.StreamLegacy] == 0 || r.DeadLettered == 0 || r.StreamOnly == 0 {
		t.Errorf("the move did not happen under load: %+v", r)
	}
}

// negativeControls plant in the real system, or in the journal of a real load,
// what the ledger is there to find.
func (w *walk) negativeControls(t *testing.T) {
	victim := func(kind load.Kind) load.Record {
		i := slices.IndexFunc(w.records, func(r load.Record) bool { return r.Kind == kind && r.Outcome == load.Acked && !r.Bad })
		return w.records[i]
	}
	hrv, oura := victim(load.HRV), victim(load.Oura)
	user, _, _ := strings.Cut(hrv.Key, "|")

	w.query(t, "INSERT INTO normalize_effects SELECT * FROM normalize_effects WHERE message_id = '"+oura.ID+"'")
	w.query(t, "DELETE FROM hrv_data WHERE user_id = '"+user+"' AND date = '"+hrv.Key[len(user)+1:]+"'")
	w.query(t, "DELETE FROM vendor_events WHERE event_id = '"+oura.Key+"'")
	kept := w.records
	w.records = slices.Clone(kept)
	var last *load.Record
	for i := range w.records {
		r := &w.records[i]
		if r.Lane == hrv.Lane && r.Subject == hrv.Subject && r.Outcome == load.Acked && !r.Repeat && (last == nil || r.N > last.N) {
			last = r
		}
	}
	last.N = -1 // said to be sent before all others of its lane
	b := slices.IndexFunc(w.records, func(r load.Record) bool { return r.Kind == load.Sleep && r.Outcome == load.Acked })
	w.records[b].Outcome, w.records[b].Code = load.Unavailable, 503

	r := w.count(t, w.settle)
	if r.Lost != 2 || r.Doubled != 1 || r.OutOfOrder == 0 || r.Ingest5xx != 1 || r.OK() {
		t.Errorf("ledger: %+v, want two lost, one doubled, some out of order, one 5xx", r)
	}
	if !slices.Contains(r.Examples["lost"], hrv.ID) || !slices.Contains(r.Examples["lost"], oura.ID) || !slices.Contains(r.Examples["doubled"], oura.ID) {
		t.Errorf("examples: %v", r.Examples)
	}
}

func (w *walk) databaseAway(t *testing.T) {
	r := w.load(t, "db", 200, func(ctx context.Context) {
		check(t, w.sys.StopProcess(ctx, system.Postgres))
		w.await(t, "normalize to notice", func() bool {
			h, err := w.sys.NormalizeHealth(ctx, 0)
			return err == nil && h.Status == "degraded" && h.Database == "disconnected"
		})
		check(t, w.sys.StartProcess(ctx, system.Postgres))
		check(t, w.sys.AwaitHealthy(ctx))
	})
	if r.Lost+r.Doubled+r.Ingest5xx != 0 || !r.Settled {
		t.Errorf("ledger: %+v", r)
	}
}

// nodeAway: what was on its way to a worker through that node comes again only
// after the ack wait, a minute; until then it is pending.
func (w *walk) nodeAway(t *testing.T) {
	w.settle = 2 * time.Second
	r := w.load(t, "node", 200, func(ctx context.Context) {
		check(t, w.sys.StopProcess(ctx, system.Node(2)))
		check(t, w.sys.StartProcess(ctx, system.Node(2)))
		check(t, w.sys.AwaitHealthy(ctx))
	})
	if r.Lost+r.Doubled != 0 || r.Pending > 20 {
		t.Errorf("ledger: %+v", r)
	}
}

func (w *walk) deadLetterAll(t *testing.T) {
	r := w.load(t, "dead", 100, func(ctx context.Context) {
		dlq, err := w.js.Stream(ctx, event.StreamDLQ)
		check(t, err)
		before := dlq.CachedInfo().State.Msgs
		check(t, w.sys.DeadLetterAll(ctx, true))
		w.await(t, "dead letters", func() bool {
			info, err := dlq.Info(ctx)
			return err == nil && info.State.Msgs > before+50
		})
		check(t, w.sys.DeadLetterAll(ctx, false))
	})
	if r.Lost+r.Doubled != 0 || r.DeadLettered < 20 || r.InDatabase == 0 {
		t.Errorf("ledger: %+v", r)
	}
}

func (w *walk) singleMode(t *testing.T) {
	check(t, w.sys.SetEnv(t.Context(), system.Normalize(0), map[string]string{"AA_STREAM_CANDIDATES": event.StreamLegacy}))
	w.awaitHealth(t, func(h normalize.Health) bool {
		return h.Status == "healthy" && h.Mode == "single" && slices.Equal(h.Streams[event.DurableHRV], []string{event.StreamLegacy}) &&
			slices.Equal(h.Streams[event.DurableOura], []string{event.StreamLegacy})
	})
	check(t, w.sys.UnpinNormalize(t.Context())) // somebody must read vendor data
	check(t, w.sys.SetEnv(t.Context(), system.Normalize(1), map[string]string{"EVENT_STREAM_MODE": "single", "RELEASE": "test-2"}))
	w.await(t, "single mode", func() bool {
		h, err := w.sys.NormalizeHealth(t.Context(), 1)
		return err == nil && h.Status == "healthy" && h.Mode == "single" && h.Version == "test-2" &&
			slices.Equal(h.Streams[event.DurableOura], []string{event.StreamLegacy})
	})
}
