package acceptance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

const moveCore = "core/move-athlete-ally-and-sleep"

// holdUp makes every write of HRV wait, for less than a worker's patience, and
// returns what ends that.
func (w *world) holdUp(t testing.TB) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.sys.Env.DatabaseURL)
	check(t, err)
	tx, err := conn.Begin(t.Context())
	check(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE hrv_data IN EXCLUSIVE MODE")
	check(t, err)
	return func() {
		check(t, tx.Rollback(t.Context()))
		check(t, conn.Close(t.Context()))
	}
}

// backlog: while the workers restart nothing can be written. What came until
// the cut is finished on the old stream, and the new one waits for it.
func (w *world) backlog(t *testing.T, r *running) {
	r.Until("the restart", is(func(ev engine.StepIntent) bool { return ev.Step == "core/read-both-streams" }))
	release := w.holdUp(t)
	from := w.floor(t)
	await(t, 6*time.Second, "a backlog", func() bool {
		c, err := w.js.Consumer(t.Context(), event.StreamLegacy, event.DurableHRV)
		return err == nil && c.CachedInfo().NumPending+uint64(c.CachedInfo().NumAckPending) > 60
	})
	stream, err := w.js.Stream(t.Context(), event.StreamLegacy)
	check(t, err)
	until := stream.CachedInfo().State.LastSeq
	release()
	r.Until("the end of the move", is(func(ev engine.StepDone) bool { return ev.Step == moveCore }))
	var rows int
	w.query(t, &rows, "SELECT count(DISTINCT seq) FROM normalize_effects WHERE target = 'hrv_data' AND stream = $1 AND seq > $2 AND seq <= $3", event.StreamLegacy, int64(from), int64(until)) //nolint:gosec // JetStream counts from 1
	if rows < 55 {
		t.Errorf("of the backlog, messages %d to %d, only %d had an effect on the old stream", from+1, until, rows)
	}
	t.Logf("messages %d to %d: %d rows, all from the old stream", from+1, until, rows)
}

// floor is the last message of the old stream that a worker has finished.
func (w *world) floor(t testing.TB) uint64 {
	t.Helper()
	c, err := w.js.Consumer(t.Context(), event.StreamLegacy, event.DurableHRV)
	check(t, err)
	return c.CachedInfo().AckFloor.Stream
}

func (w *world) query(t testing.TB, to any, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.sys.Env.DatabaseURL)
	check(t, err)
	defer conn.Close(t.Context())
	check(t, conn.QueryRow(t.Context(), sql, args...).Scan(to))
}

// blueGreen is option B: two builds side by side, as far as the deletion of the
// legacy stream, which nobody approves; and from there back.
func (w *world) blueGreen(t *testing.T) {
	w.steady(t)
	r := w.begin(t, runbookFile(), later("deployment=blue-green")...)
	r.Leave("delete-athlete-ally-events")
	r.Until("green", is(func(ev engine.StepDone) bool { return ev.Step == "core/scale-green-up" }))
	versions := map[string]bool{}
	for _, url := range append(slices.Clone(w.sys.Env.NormalizeURLs), w.sys.Env.GreenURLs...) {
		versions[w.version(t, url)] = true
	}
	if len(versions) != 2 || !versions["dev"] || !versions["phase2-migration"] {
		t.Errorf("versions that answer: %v", versions)
	}
	r.Gate("core")
	now := w.look(t)
	for i := range 2 {
		blue, green := system.Normalize(i), fmt.Sprintf("normalize-green-%d", i)
		if _, defined := now.Running[blue]; !defined || now.Running[blue] || !now.Running[green] {
			t.Errorf("%s runs: %t (defined: %t), %s runs: %t", blue, now.Running[blue], defined, green, now.Running[green])
		}
	}
	r.Until("the backup", is(func(ev engine.StepDone) bool { return ev.Step == "cleanup/back-the-database-up" }))
	w.emergency(t, r)
}

func (w *world) version(t testing.TB, url string) string {
	t.Helper()
	var h struct{ Version string }
	decode(t, w.get(t, url+"/health"), &h)
	return h.Version
}

// inTheMove puts everything back from between the intent of a move and its end.
func (w *world) inTheMove(t *testing.T) {
	r := w.begin(t, runbookFile(), later()...)
	r.Until("the intent of the move", is(func(ev engine.StepIntent) bool { return ev.Step == moveCore }))
	r.Stop()
	w.must(t, 0, "rollback", "emergency", "--run", r.ID, "--wait", "0s", "--as", "dora")
	r.GoesOn()
	w.back(t, r)
}

// inTwoGoes puts phase 2 back, and then the rest.
func (w *world) inTwoGoes(t *testing.T) {
	r := w.begin(t, runbookFile(), later("t-1h=10m")...)
	r.Gate("validate-1h")
	w.must(t, 0, "rollback", "core", "--run", r.ID, "--as", "dora")
	ended := r.Until("the end of the rollback", is[engine.RollbackEnded](nil)).Event.(engine.RollbackEnded)
	r.End(3)
	if ended.Result != engine.Verified {
		t.Errorf("the rollback to core ended %s: %v", ended.Result, ended.Why)
	}
	if owner := w.look(t).Owner; owner[event.SubjectHRV] != event.StreamLegacy || owner[event.SubjectOura] != event.StreamVendor {
		t.Errorf("after the rollback to core: %v", owner)
	}
	if text := w.must(t, 0, "status", r.ID).Out; !strings.Contains(text, "core") {
		t.Errorf("segue status does not name core: %s", text)
	}
	w.must(t, 0, "rollback", "emergency", "--run", r.ID, "--wait", "0s", "--as", "dora")
	w.back(t, w.goOn(t, r.ID))
}

// emergency puts everything back, as a person asks for it.
func (w *world) emergency(t *testing.T, r *running) {
	t.Helper()
	w.must(t, 0, "rollback", "emergency", "--run", r.ID, "--as", "dora")
	w.back(t, r)
}

// back wants the rollback to be over within five minutes: both services bound
// to the legacy stream, less than 100 pending, and what the new streams had not
// processed processed.
func (w *world) back(t *testing.T, r *running) {
	t.Helper()
	start := r.Until("the rollback", is(func(ev engine.RollbackStarted) bool { return ev.Target == "emergency" }))
	done := r.Until("its end", is[engine.RollbackEnded](nil))
	took := done.At.Sub(start.At)
	if ended := done.Event.(engine.RollbackEnded); ended.Result != engine.Verified || took > 5*time.Minute {
		t.Errorf("the rollback ended %s after %s: %v", ended.Result, took, ended.Why)
	}
	r.End(3)
	if got := w.statusOf(t, r.ID); got != engine.RolledBackStatus {
		t.Errorf("the run is %s", got)
	}
	t.Logf("put back and verified after %s%s", took.Round(time.Millisecond), keptBy(all[engine.UndoDone](r)))
	w.restored(t, w.before, r)
	w.boundToLegacy(t)
}

func (w *world) boundToLegacy(t *testing.T) {
	t.Helper()
	var ingest struct{ Streams map[string]string }
	await(t, 10*time.Second, "ingest to be bound to "+event.StreamLegacy, func() bool {
		decode(t, w.get(t, w.sys.Env.IngestURL+"/health"), &ingest)
		for _, stream := range ingest.Streams {
			if stream != event.StreamLegacy {
				return false
			}
		}
		return len(ingest.Streams) > 0
	})
	for i := range w.sys.Env.NormalizeURLs {
		await(t, 10*time.Second, system.Normalize(i)+" to be bound to "+event.StreamLegacy+" alone", func() bool {
			h, err := w.sys.NormalizeHealth(t.Context(), i)
			if err != nil {
				return false
			}
			for _, streams := range h.Streams {
				if !slices.Equal(streams, []string{event.StreamLegacy}) {
					return false
				}
			}
			return true
		})
	}
	for _, durable := range []string{event.DurableHRV, event.DurableOura} {
		await(t, 20*time.Second, "less than 100 pending for "+durable, func() bool {
			c, err := w.js.Consumer(t.Context(), event.StreamLegacy, durable)
			return err == nil && c.CachedInfo().NumPending < 100
		})
	}
}
