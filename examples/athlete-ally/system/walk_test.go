package system_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/ledger"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

// walk is one system on its way through the test.
type walk struct {
	sys     *system.System
	js      jetstream.JetStream
	settle  time.Duration
	records []load.Record
}

func (w *walk) connect(t *testing.T) {
	t.Helper()
	nc, err := nats.Connect(w.sys.Env.NATSURL, nats.MaxReconnects(-1))
	check(t, err)
	t.Cleanup(nc.Close)
	w.js, err = jetstream.New(nc)
	check(t, err)
}

func (w *walk) query(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.sys.Env.DatabaseURL)
	check(t, err)
	defer conn.Close(t.Context())
	tag, err := conn.Exec(t.Context(), sql)
	check(t, err)
	if tag.RowsAffected() == 0 {
		t.Fatalf("%s: no row", sql)
	}
}

// load runs while during is at work and a little longer, so that messages
// surround it on both sides; then it takes the ledger.
func (w *walk) load(t *testing.T, run string, rate float64, during func(ctx context.Context)) ledger.Result {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seconds := make(chan load.Stats, 1000)
	done := make(chan error, 1)
	journal := filepath.Join(t.TempDir(), "load.jsonl")
	go func() {
		stats, err := load.Run(ctx, load.Config{
			Rate: rate, Seed: 7, Run: run, Users: 50, BadShare: 0.02, RepeatShare: 0.02, Journal: journal,
			IngestURL: w.sys.Env.IngestURL, OuraSecret: w.sys.Env.OuraSecret, NATSURL: w.sys.Env.NATSURL,
			Progress: func(s load.Stats) { seconds <- s },
		})
		t.Log(run, "total", stats.Total)
		done <- err
	}()
	<-seconds
	during(t.Context())
	for range 2 {
		<-seconds
	}
	stop()
	check(t, <-done)
	records, err := load.ReadJournal(journal)
	check(t, err)
	w.records = records
	return w.count(t, w.settle)
}

func (w *walk) count(t *testing.T, settle time.Duration) ledger.Result {
	t.Helper()
	r, err := ledger.Take(t.Context(), ledger.Source{NATSURL: w.sys.Env.NATSURL, DatabaseURL: w.sys.Env.DatabaseURL}, w.records, settle)
	check(t, err)
	t.Log(r.Line())
	return r
}

func (w *walk) stream(t *testing.T, name, subject string) jetstream.Stream {
	t.Helper()
	cfg := system.Legacy()
	cfg.Name, cfg.Subjects, cfg.MaxAge = name, []string{subject}, 48*time.Hour
	s, err := w.js.CreateStream(t.Context(), cfg)
	check(t, err)
	return s
}

func (w *walk) awaitStreams(t *testing.T, durable string, streams ...string) {
	t.Helper()
	slices.Sort(streams)
	for i := range w.sys.Env.NormalizeURLs {
		w.await(t, "bindings of "+durable, func() bool {
			h, err := w.sys.NormalizeHealth(t.Context(), i)
			return err == nil && slices.Equal(h.Streams[durable], streams)
		})
	}
}

func (w *walk) awaitHealth(t *testing.T, want func(normalize.Health) bool) {
	t.Helper()
	w.await(t, "health of "+system.Normalize(0), func() bool {
		h, err := w.sys.NormalizeHealth(t.Context(), 0)
		return err == nil && want(h)
	})
}

// log is what a process has logged so far.
func (w *walk) log(t *testing.T, process string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.sys.Dir, "log", process+".log"))
	check(t, err)
	return string(raw)
}

func (w *walk) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
