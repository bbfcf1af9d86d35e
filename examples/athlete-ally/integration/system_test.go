package integration_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// negativeControls break the system in one way each, and mend it.
func (w *world) negativeControls(t *testing.T) {
	sql := func(t *testing.T, statement string) {
		t.Helper()
		_, err := w.db.Exec(t.Context(), statement)
		check(t, err)
	}
	consumer := func(t *testing.T, change func(*jetstream.ConsumerConfig)) {
		t.Helper()
		cfg := system.Durables()[0]
		change(&cfg)
		_, err := w.js.UpdateConsumer(t.Context(), event.StreamLegacy, cfg)
		check(t, err)
	}
	stream := func(t *testing.T, change func(*jetstream.StreamConfig)) {
		t.Helper()
		cfg := system.Legacy()
		change(&cfg)
		_, err := w.js.UpdateStream(t.Context(), cfg)
		check(t, err)
	}
	for _, tt := range []struct {
		name       string
		plant      func(t *testing.T)
		mend       func(t *testing.T)
		run        []string
		fail       []string
		mustAnswer string // part of the reason
	}{
		{
			"a stream with another duplicate window",
			func(t *testing.T) { stream(t, func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }) },
			func(t *testing.T) { stream(t, func(*jetstream.StreamConfig) {}) },
			[]string{"bus"},
			[]string{"bus/stream-settings"},
			"duplicate window 1m0s, want 2m",
		},
		{
			"a durable with another ack wait",
			func(t *testing.T) { consumer(t, func(c *jetstream.ConsumerConfig) { c.AckWait = 30 * time.Second }) },
			func(t *testing.T) { consumer(t, func(*jetstream.ConsumerConfig) {}) },
			[]string{"bus"},
			[]string{"bus/consumer-settings"},
			"ack wait 30s, want 1m0s",
		},
		{
			"a subject that is also somebody else's",
			func(t *testing.T) {
				stream(t, func(c *jetstream.StreamConfig) { c.Subjects = []string{"athlete-ally.>", "vendor.>"} })
				_, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"sleep.*"}})
				check(t, err)
			},
			func(t *testing.T) {
				check(t, w.js.DeleteStream(t.Context(), "OTHER"))
				stream(t, func(*jetstream.StreamConfig) {})
			},
			[]string{"bus"},
			[]string{"bus/one-owner"},
			"sleep.raw-received is taken by OTHER",
		},
		{
			"the unique constraint dropped",
			func(t *testing.T) { sql(t, "ALTER TABLE hrv_data DROP CONSTRAINT hrv_data_user_id_date_key") },
			func(t *testing.T) { sql(t, "ALTER TABLE hrv_data ADD UNIQUE (user_id, date)") },
			[]string{"database", "ingest/hrv-stored"},
			[]string{"database/one-row-per-key"},
			"hrv_data takes a second row of one key",
		},
		{
			"a wrong secret",
			func(*testing.T) { w.target.OuraSecret += "x" },
			func(*testing.T) { w.target.OuraSecret = w.sys.Env.OuraSecret },
			[]string{"ingest/oura-stored", "ingest/oura-repeat-once", "ingest/hrv-stored"},
			[]string{"ingest/oura-stored", "ingest/oura-repeat-once"},
			"unauthorized",
		},
		{
			"normalize dead-letters everything",
			func(t *testing.T) { check(t, w.sys.DeadLetterAll(t.Context(), true)) },
			func(t *testing.T) { check(t, w.sys.DeadLetterAll(t.Context(), false)) },
			[]string{"rows", "normalize/metrics", "ingest/hrv-stored"},
			[]string{
				"normalize/metrics", "rows/hrv-logarithm", "rows/hrv-newest-wins", "rows/hrv-older-ignored", "rows/vendor-once", "rows/effect-once",
			},
			"is not settled: normalize answered -NAK",
		},
		{
			"one normalize stopped",
			func(t *testing.T) { check(t, w.sys.StopProcess(t.Context(), system.Normalize(1))) },
			func(t *testing.T) { check(t, w.sys.StartProcess(t.Context(), system.Normalize(1))) },
			[]string{"normalize/health", "rows/hrv-logarithm"},
			[]string{"normalize/health"},
			"no deployment of normalize is whole: no answer of normalize at http:",
		},
		{
			"normalize stopped",
			func(t *testing.T) {
				check(t, w.sys.StopProcess(t.Context(), system.Normalize(0)))
				check(t, w.sys.StopProcess(t.Context(), system.Normalize(1)))
			},
			func(t *testing.T) {
				check(t, w.sys.StartProcess(t.Context(), system.Normalize(0)))
				check(t, w.sys.StartProcess(t.Context(), system.Normalize(1)))
				check(t, w.sys.AwaitHealthy(t.Context()))
			},
			[]string{"normalize", "rows", "deadletters", "ingest/hrv-stored", "bus/message-id-once"},
			[]string{
				"normalize/health", "normalize/versions", "normalize/bound", "normalize/metrics",
				"rows/hrv-logarithm", "rows/hrv-newest-wins", "rows/hrv-older-ignored", "rows/vendor-once", "rows/effect-once",
				"deadletters/schema-invalid",
			},
			"no deployment of normalize is whole",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.plant(t)
			defer tt.mend(t)
			within := 2 * time.Second
			if slices.Contains(tt.run, "ingest/hrv-stored") { // what must pass has time, also on a busy machine
				within = 3 * time.Second
			}
			r := w.run(t, within, tt.run...)
			var names []string
			for _, f := range failed(r) {
				name, _, _ := strings.Cut(f, ":")
				names = append(names, name)
			}
			if diff := cmp.Diff(tt.fail, names); diff != "" || r.OK() {
				t.Errorf("failed (-want +got):\n%s\n%s", diff, strings.Join(failed(r), "\n"))
			}
			if !strings.Contains(strings.Join(failed(r), "\n"), tt.mustAnswer) {
				t.Errorf("%q is not among the reasons:\n%s", tt.mustAnswer, strings.Join(failed(r), "\n"))
			}
			w.nothingLeft(t)
		})
	}
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
