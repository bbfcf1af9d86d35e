package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/ledger"
	"github.com/segue-run/segue/examples/athlete-ally/load"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/examples/athlete-ally/system/systemtest"
)

// world is the one system that all proofs share, with load on it.
type world struct {
	t       testing.TB
	sys     *system.System
	staging *system.System
	js      jetstream.JetStream
	program *runtest.Segue

	before picture // of the system, before the first run

	journal string // of the load
	stop    context.CancelFunc
	loaded  chan error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	var both sync.WaitGroup
	both.Go(func() { w.sys = systemtest.Start(t, system.Options{}) })
	both.Go(func() { w.staging = systemtest.Start(t, system.Options{Environment: system.Staging}) })
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}
	w.program = runtest.New(t, append(w.sys.Env.Pairs(), w.staging.Env.Pairs()...), "promote", "cleanup")
	nc, err := nats.Connect(w.sys.Env.NATSURL, nats.MaxReconnects(-1))
	check(t, err)
	t.Cleanup(nc.Close)
	w.js, err = jetstream.New(nc)
	check(t, err)
	w.before = w.look(t)
	return w
}

// rate is in messages a second. Each costs some 5 ms of a core, in all that it
// passes through; other tests run beside these.
const rate = 60

// burden begins the load, and returns when there is some of each kind.
func (w *world) burden(t testing.TB) {
	t.Helper()
	w.journal = filepath.Join(t.TempDir(), "load.jsonl")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	w.stop, w.loaded = stop, make(chan error, 1)
	go func() {
		_, err := load.Run(ctx, load.Config{
			Rate: rate, Seed: 7, Run: "e2e", Users: 100, BadShare: 0.002, RepeatShare: 0.01, Journal: w.journal,
			IngestURL: w.sys.Env.IngestURL, OuraSecret: w.sys.Env.OuraSecret, NATSURL: w.sys.Env.NATSURL,
		})
		w.loaded <- err
	}()
	t.Cleanup(stop)
	await(t, 20*time.Second, "messages of each kind", func() bool {
		return w.delivered(t, event.DurableHRV) > 20 && w.delivered(t, event.DurableOura) > 20
	})
}

// count ends the load and takes the ledger over all of it.
func (w *world) count(t testing.TB) ledger.Result {
	t.Helper()
	w.stop()
	check(t, <-w.loaded)
	records, err := load.ReadJournal(w.journal)
	check(t, err)
	r, err := ledger.Take(t.Context(), ledger.Source{NATSURL: w.sys.Env.NATSURL, DatabaseURL: w.sys.Env.DatabaseURL, Backups: w.sys.Env.PostgresBackup}, records, time.Minute)
	check(t, err)
	t.Log(r.Line())
	return r
}

// delivered counts the deliveries of a durable on the old stream.
func (w *world) delivered(t testing.TB, durable string) uint64 {
	c, err := w.js.Consumer(t.Context(), event.StreamLegacy, durable)
	if err != nil {
		return 0
	}
	return c.CachedInfo().Delivered.Consumer
}

// picture is what a rollback must restore, as other eyes than segue's see it.
type picture struct {
	Streams   map[string]jetstream.StreamConfig
	Consumers map[string]jetstream.ConsumerConfig // STREAM/NAME
	Paused    []string
	Owner     map[string]string // subject to the stream that takes it
	Env       map[string][]string
	Running   map[string]bool
	Command   map[string]string // of normalize, as the kernel has it
}

func (w *world) look(t testing.TB) picture {
	t.Helper()
	var p picture
	await(t, 20*time.Second, "a look at the system", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		p, err = w.picture(ctx)
		return err == nil
	})
	return p
}

func (w *world) picture(ctx context.Context) (picture, error) {
	p := picture{
		Streams: map[string]jetstream.StreamConfig{}, Consumers: map[string]jetstream.ConsumerConfig{},
		Owner: map[string]string{}, Env: map[string][]string{}, Running: map[string]bool{}, Command: map[string]string{},
	}
	streams := w.js.ListStreams(ctx)
	for info := range streams.Info() {
		slices.Sort(info.Config.Subjects)
		p.Streams[info.Config.Name] = info.Config
		s, err := w.js.Stream(ctx, info.Config.Name)
		if err != nil {
			return p, err
		}
		consumers := s.ListConsumers(ctx)
		for c := range consumers.Info() {
			if c.Config.Durable == "" {
				continue // of somebody who reads along
			}
			p.Consumers[c.Stream+"/"+c.Name] = c.Config
			if c.Paused {
				p.Paused = append(p.Paused, c.Stream+"/"+c.Name)
			}
		}
		if consumers.Err() != nil {
			return p, consumers.Err()
		}
	}
	if streams.Err() != nil {
		return p, streams.Err()
	}
	for _, subject := range []string{event.SubjectHRV, event.SubjectSleep, event.SubjectOura, "dlq.test"} {
		name, err := w.js.StreamNameBySubject(ctx, subject)
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return p, err
		}
		p.Owner[subject] = name
	}
	all, err := w.sys.Processes(ctx)
	if err != nil {
		return p, err
	}
	for _, proc := range all {
		p.Running[proc.Name] = proc.IsRunning
		if strings.HasPrefix(proc.Service, "normalize") {
			if p.Env[proc.Name], err = w.sys.Environment(ctx, proc.Name); err != nil {
				return p, err
			}
			if proc.IsRunning {
				argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", proc.PID))
				if err != nil {
					return p, err
				}
				p.Command[proc.Name] = strings.ReplaceAll(string(argv), "\x00", " ")
			}
		}
	}
	return p, nil
}

// relayed is the system with a relay's prefix left on its legacy stream.
func (p picture) relayed() picture {
	const prefix = "_segue.relay." + event.StreamLegacy + ".>"
	p.Streams = maps.Clone(p.Streams)
	legacy := p.Streams[event.StreamLegacy]
	legacy.Subjects = append([]string{prefix}, legacy.Subjects...)
	legacy.SubjectTransform = &jetstream.SubjectTransformConfig{Source: prefix, Destination: ">"}
	p.Streams[event.StreamLegacy] = legacy
	return p
}

// restored wants the system as it was before the first run. What holds messages
// may have been kept: a stream then owns nothing, and a durable was reported.
func (w *world) restored(t testing.TB, was picture, r *running) {
	t.Helper()
	for _, at := range [][2]string{{event.StreamVendor, event.DurableOura}, {event.StreamCore, event.DurableHRV}} {
		if strings.Contains(keptBy(all[engine.UndoDone](r)), "consumer "+at[1]) {
			w.finishKept(t, at[0], at[1])
		}
	}
	now := w.look(t)
	kept := func(name string) bool {
		stream, _, _ := strings.Cut(name, "/")
		_, before := was.Streams[stream]
		return !before && (stream == event.StreamVendor || stream == event.StreamCore || stream == event.StreamDLQ)
	}
	for name := range now.Streams {
		if kept(name) {
			delete(now.Streams, name)
		}
	}
	for name := range now.Consumers {
		if kept(name) {
			t.Errorf("consumer %s is left", name)
		}
	}
	if d := cmp.Diff(was, now); d != "" {
		t.Errorf("the system is not as before (-before +now):\n%s", d)
	}
	w.flows(t)
}

// finishKept is what the report asks a person to do about a durable that was
// kept, as nobody could finish what it holds then, or as acknowledgements were
// lost with a node: when the workers have finished, it is taken away.
func (w *world) finishKept(t testing.TB, stream, durable string) {
	t.Helper()
	await(t, 60*time.Second, "workers to finish what "+stream+" holds", func() bool {
		c, err := w.js.Consumer(t.Context(), stream, durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return true
		}
		if err != nil || c.CachedInfo().NumPending+uint64(c.CachedInfo().NumAckPending) > 0 {
			return false
		}
		return w.js.DeleteConsumer(t.Context(), stream, durable) == nil
	})
}

// flows wants messages of both kinds to be delivered, and to become rows. (What
// breaks the schema is kept until there is a stream for dead letters, and holds
// the acknowledgements' floor up: it tells nothing.)
func (w *world) flows(t testing.TB) {
	t.Helper()
	seen := func() []uint64 {
		hrv, vendor := w.rows(t)
		return []uint64{w.delivered(t, event.DurableHRV), w.delivered(t, event.DurableOura), hrv, vendor}
	}
	before := seen()
	await(t, 30*time.Second, "messages to come from "+event.StreamLegacy+" and to become rows", func() bool {
		for i, n := range seen() {
			if n <= before[i] {
				return false
			}
		}
		return true
	})
}

// rows counts what normalize has stored; nothing while the database is away.
func (w *world) rows(t testing.TB) (hrv, vendor uint64) {
	conn, err := pgx.Connect(t.Context(), w.sys.Env.DatabaseURL)
	if err != nil {
		return 0, 0
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM hrv_data), (SELECT count(*) FROM vendor_events)").Scan(&hrv, &vendor); err != nil {
		return 0, 0
	}
	return hrv, vendor
}

// get asks over HTTP; the answer's body, whatever its status.
func (w *world) get(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	check(t, err)
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	return string(body)
}

// log is what a process has written.
func (w *world) log(t testing.TB, process string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.sys.Dir, "log", process+".log"))
	check(t, err)
	return string(raw)
}

// pin makes normalize look for its HRV on these streams alone; "": as it was.
func (w *world) pin(t testing.TB, candidates string) {
	t.Helper()
	const name = "AA_STREAM_CANDIDATES"
	for i := range w.sys.Env.NormalizeURLs {
		if candidates == "" {
			check(t, w.sys.SetEnv(t.Context(), system.Normalize(i), nil, name))
		} else {
			check(t, w.sys.SetEnv(t.Context(), system.Normalize(i), map[string]string{name: candidates}))
		}
	}
}

func decode(t testing.TB, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
