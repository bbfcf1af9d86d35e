package integration_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/jsm.go"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/integration"
	"github.com/segue-run/segue/examples/athlete-ally/ledger"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/examples/athlete-ally/system/systemtest"
)

// One system is broken in the ways that the tests are there to find, and then
// goes through the whole migration under load, and is asked at every stage.
func TestAgainstASystemUnderLoad(t *testing.T) {
	w := newWorld(t)
	t.Run("each finds what is planted for it", w.negativeControls)
	w.load(t)
	t.Run("all thirty pass before the migration", w.passes)
	older := w.backup(t, time.Now())
	w.moveVendor(t)
	t.Run("all thirty pass in the middle of it", w.passes)
	w.moveCore(t)
	t.Run("all thirty pass after it, with a legacy stream that owns nothing", w.passes)
	newer := w.deleteLegacy(t)
	t.Run("all thirty pass when the legacy stream is gone", w.passes)
	t.Run("an interrupted run takes back what it made", w.interrupted)

	w.stop()
	check(t, <-w.loaded)
	t.Run("the ledger proves by the backup what the legacy stream held", func(t *testing.T) {
		r := w.count(t, w.backups)
		if !r.OK() || !r.Settled || r.Foreign != 0 || r.ProbesLeft != 0 || len(r.GoneStreams) != 0 {
			t.Errorf("%+v", r)
		}
		if r.StoredIn[event.StreamLegacy+" (backup)"] == 0 || r.StreamOnly == 0 {
			t.Errorf("nothing was read in the backup: %+v", r)
		}
	})
	t.Run("and does not without it, or by one that lacks messages", func(t *testing.T) {
		if r := w.count(t, ""); r.Lost == 0 || !slices.Equal(r.GoneStreams, []string{event.StreamLegacy}) {
			t.Errorf("without: %+v", r)
		}
		check(t, os.Remove(filepath.Join(newer, "manifest.json")))
		if r := w.count(t, w.backups); r.Lost == 0 || len(r.GoneStreams) != 0 {
			t.Errorf("by %s: %+v", older, r)
		}
	})
}

type world struct {
	sys     *system.System
	nc      *nats.Conn
	js      jetstream.JetStream
	db      *pgx.Conn
	target  integration.Target
	backups string

	journal string
	stop    context.CancelFunc
	loaded  chan error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{sys: systemtest.Start(t, system.Options{}), backups: t.TempDir()}
	e := w.sys.Env
	var err error
	w.nc, err = nats.Connect(e.NATSURL, nats.MaxReconnects(-1))
	check(t, err)
	t.Cleanup(w.nc.Close)
	w.js, err = jetstream.New(w.nc)
	check(t, err)
	w.db, err = pgx.Connect(t.Context(), e.DatabaseURL)
	check(t, err)
	t.Cleanup(func() { _ = w.db.Close(context.Background()) })
	blue := integration.Service{Name: "normalize"}
	for i, url := range e.NormalizeURLs {
		blue.Instances = append(blue.Instances, integration.Instance{URL: url, Metrics: e.MetricsURLs[i]})
	}
	green := integration.Service{Name: "normalize-green", Instances: []integration.Instance{{URL: "http://127.0.0.1:1", Metrics: "http://127.0.0.1:1/metrics"}}}
	w.target = integration.Target{
		NATSURL: e.NATSURL, Monitors: e.NATSMonitors, DatabaseURL: e.DatabaseURL, IngestURL: e.IngestURL, OuraSecret: e.OuraSecret,
		Normalizers: []integration.Service{blue, green},
	}
	return w
}

func (w *world) load(t *testing.T) {
	t.Helper()
	w.journal = filepath.Join(t.TempDir(), "load.jsonl")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(stop)
	w.stop, w.loaded = stop, make(chan error, 1)
	first := make(chan load.Stats, 1000)
	go func() {
		_, err := load.Run(ctx, load.Config{
			Rate: 60, Seed: 3, Run: "integration-load", Users: 20, BadShare: 0.01, RepeatShare: 0.01, Journal: w.journal,
			IngestURL: w.sys.Env.IngestURL, OuraSecret: w.sys.Env.OuraSecret, NATSURL: w.sys.Env.NATSURL,
			Progress: func(s load.Stats) {
				select {
				case first <- s:
				default:
				}
			},
		})
		w.loaded <- err
	}()
	select {
	case <-first:
	case err := <-w.loaded:
		t.Fatalf("load: %v", err)
	}
}

func (w *world) run(t *testing.T, within time.Duration, tests ...string) integration.Report {
	t.Helper()
	r, err := integration.Run(t.Context(), w.target, integration.Options{Run: tests, Within: within})
	check(t, err)
	t.Logf("%s in %.1f s", r.Line(), r.Seconds)
	return r
}

func (w *world) passes(t *testing.T) {
	r := w.run(t, 20*time.Second)
	if r.Line() != "30 passed, 0 failed, 0 skipped" || !r.OK() {
		for _, name := range failed(r) {
			t.Error(name)
		}
	}
	w.nothingLeft(t)
}

func (w *world) nothingLeft(t *testing.T) {
	t.Helper()
	r, err := ledger.Take(t.Context(), ledger.Source{NATSURL: w.sys.Env.NATSURL, DatabaseURL: w.sys.Env.DatabaseURL}, nil, 0)
	check(t, err)
	if r.ProbesLeft != 0 {
		t.Errorf("%d probes are left: %v", r.ProbesLeft, r.Examples["probes_left"])
	}
}

func failed(r integration.Report) []string {
	var out []string
	for _, tt := range r.Tests {
		if tt.Verdict == integration.Failed {
			out = append(out, tt.Name+": "+tt.Why)
		}
	}
	return out
}

// interrupted stops a run as SIGTERM does; what it made is taken back, and what
// was not run is not passed.
func (w *world) interrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := integration.Run(ctx, w.target, integration.Options{Tell: func(integration.Result) { cancel() }})
	check(t, err)
	if r.OK() || r.Passed+r.Failed+r.Skipped != 30 || r.Skipped == 0 {
		t.Errorf("%s", r.Line())
	}
	w.nothingLeft(t)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// backup is what nats.backup leaves: a snapshot, and a manifest of its files.
func (w *world) backup(t *testing.T, taken time.Time) string {
	t.Helper()
	dir := filepath.Join(w.backups, event.StreamLegacy+"-"+taken.UTC().Format("20060102T150405.000Z"))
	check(t, os.Mkdir(dir, 0o700))
	mgr, err := jsm.New(w.nc)
	check(t, err)
	stream, err := mgr.LoadStream(event.StreamLegacy)
	check(t, err)
	_, err = stream.SnapshotToDirectory(t.Context(), dir, jsm.SnapshotConsumers())
	check(t, err)
	sums := map[string]string{}
	files, err := os.ReadDir(dir)
	check(t, err)
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		check(t, err)
		sum := sha256.Sum256(raw)
		sums[f.Name()] = hex.EncodeToString(sum[:])
	}
	raw, err := json.Marshal(map[string]any{"cluster": "athlete-ally", "account": "APP", "stream": event.StreamLegacy, "taken": taken, "sha256": sums})
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o600))
	return dir
}

func (w *world) count(t *testing.T, backups string) ledger.Result {
	t.Helper()
	records, err := load.ReadJournal(w.journal)
	check(t, err)
	r, err := ledger.Take(t.Context(), ledger.Source{NATSURL: w.sys.Env.NATSURL, DatabaseURL: w.sys.Env.DatabaseURL, Backups: backups}, records, time.Minute)
	check(t, err)
	t.Log(r.Line())
	return r
}
