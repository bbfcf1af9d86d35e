package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jsm.go"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/load"
)

// An acknowledged night, an acknowledged reading with its row, and a second
// night that came after the first backup; then the stream is deleted.
func TestABackupProvesWhatTheDeletedStreamHeld(t *testing.T) {
	b := newBench(t)
	var records []load.Record
	put := func(kind load.Kind, subject, id string) {
		ack, err := b.js.Publish(t.Context(), subject, []byte(`{"userId":"u"}`), jetstream.WithMsgID(id))
		check(t, err)
		records = append(records, load.Record{
			ID: id, Lane: string(kind), N: len(records), Kind: kind, Subject: subject, Key: "u|" + id, Value: 42,
			Outcome: load.Acked, Stream: ack.Stream, Seq: ack.Sequence,
		})
	}
	put(load.Sleep, event.SubjectSleep, "night-1")
	put(load.HRV, event.SubjectHRV, "reading-1")
	older := b.backup(t, time.Now().Add(-time.Hour))
	put(load.Sleep, event.SubjectSleep, "night-2")
	newer := b.backup(t, time.Now())
	check(t, b.js.DeleteStream(t.Context(), event.StreamLegacy))

	count := func() Result {
		w := World{HRV: map[string]float64{"u|reading-1": 42}, Effects: map[string]int{"reading-1": 1}}
		var err error
		w.Streams, err = readBackups(t.Context(), b.dir, "bench", nil)
		check(t, err)
		return Count(records, w)
	}
	r := count()
	if r.Lost != 0 || r.StreamOnly != 2 || r.InDatabase != 1 || len(r.GoneStreams) != 0 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(map[string]int{"ATHLETE_ALLY_EVENTS (backup)": 3}, r.StoredIn); diff != "" {
		t.Errorf("stored in (-want +got):\n%s", diff)
	}

	t.Run("one that lacks a message does not prove it", func(t *testing.T) {
		data, err := jsm.SnapshotDataPath(newer)
		check(t, err)
		check(t, os.Truncate(data, 10)) // so the newest whole one is the older
		if r := count(); r.Lost != 1 || !cmp.Equal(r.Examples["lost"], []string{"night-2"}) {
			t.Errorf("%+v", r)
		}
	})
	t.Run("without any, the nights are lost, and it is said why", func(t *testing.T) {
		check(t, os.Remove(filepath.Join(older, manifestFile)))
		r := count()
		var out strings.Builder
		check(t, r.WriteTable(&out))
		if r.Lost != 2 || !cmp.Equal(r.GoneStreams, []string{event.StreamLegacy}) || !strings.Contains(out.String(), "stream ATHLETE_ALLY_EVENTS is gone, and no whole backup") {
			t.Errorf("%+v\n%s", r, out.String())
		}
	})
}

func TestABackupIsReadOnlyForAStreamOfThisClusterThatIsGone(t *testing.T) {
	b := newBench(t)
	_, err := b.js.Publish(t.Context(), event.SubjectHRV, nil, jetstream.WithMsgID("a"))
	check(t, err)
	b.backup(t, time.Now())
	for name, tt := range map[string]struct {
		cluster string
		live    []string
		want    int
	}{
		"it is gone":         {"bench", nil, 1},
		"it is live":         {"bench", []string{event.StreamLegacy}, 0},
		"it is of elsewhere": {"staging", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readBackups(t.Context(), b.dir, tt.cluster, tt.live)
			check(t, err)
			if len(got) != tt.want {
				t.Errorf("%d streams, want %d", len(got), tt.want)
			}
		})
	}
	t.Run("a directory that is not there is an error", func(t *testing.T) {
		if _, err := readBackups(t.Context(), filepath.Join(b.dir, "no"), "bench", nil); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a whole backup that cannot be restored is an error", func(t *testing.T) {
		dir := b.backup(t, time.Now().Add(time.Hour))
		data, err := jsm.SnapshotDataPath(dir)
		check(t, err)
		check(t, os.WriteFile(data, []byte("not an archive"), 0o600))
		b.manifest(t, dir, time.Now().Add(time.Hour))
		if _, err := readBackups(t.Context(), b.dir, "bench", nil); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("error = %v, want one that names %s", err, dir)
		}
	})
}

type bench struct {
	js  jetstream.JetStream
	mgr *jsm.Manager
	dir string
}

// newBench has the legacy stream, with a durable, on a server of its own.
func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := server.NewServer(&server.Options{ServerName: "bench", DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect("", nats.InProcessServer(s))
	check(t, err)
	t.Cleanup(nc.Close)
	b := &bench{dir: t.TempDir()}
	b.js, err = jetstream.New(nc)
	check(t, err)
	b.mgr, err = jsm.New(nc)
	check(t, err)
	stream, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamLegacy, Subjects: []string{"athlete-ally.>", "sleep.*"}})
	check(t, err)
	_, err = stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: event.DurableHRV})
	check(t, err)
	return b
}

// backup is one of a cluster's stream, as nats.backup leaves it: of three
// replicas, and old enough that its messages would be gone.
func (b *bench) backup(t *testing.T, taken time.Time) string {
	t.Helper()
	dir := filepath.Join(b.dir, event.StreamLegacy+"-"+taken.UTC().Format("20060102T150405.000Z"))
	check(t, os.Mkdir(dir, 0o700))
	stream, err := b.mgr.LoadStream(event.StreamLegacy)
	check(t, err)
	_, err = stream.SnapshotToDirectory(t.Context(), dir, jsm.SnapshotConsumers())
	check(t, err)
	path := filepath.Join(dir, jsm.SnapshotMetaFile)
	raw, err := os.ReadFile(path)
	check(t, err)
	var meta map[string]map[string]any
	check(t, json.Unmarshal(raw, &meta))
	meta["config"]["num_replicas"], meta["config"]["max_age"] = 3, time.Millisecond
	raw, err = json.Marshal(meta)
	check(t, err)
	check(t, os.WriteFile(path, raw, 0o600))
	b.manifest(t, dir, taken)
	return dir
}

func (b *bench) manifest(t *testing.T, dir string, taken time.Time) {
	t.Helper()
	m := manifest{Cluster: "bench", Stream: event.StreamLegacy, Taken: taken, SHA256: map[string]string{}}
	files, err := os.ReadDir(dir)
	check(t, err)
	for _, f := range files {
		if f.Name() != manifestFile {
			m.SHA256[f.Name()], err = sum(filepath.Join(dir, f.Name()))
			check(t, err)
		}
	}
	raw, err := json.Marshal(m)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, manifestFile), raw, 0o600))
}

// Wherever the context ends, in the middle of the restore too: there the
// throw-away server may not stop by itself.
func TestReadingABackupEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	b.backup(t, time.Now())
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		began := time.Now()
		_, err := readBackups(ctx, b.dir, "bench", nil)
		cancel()
		if after == 0 && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the context's", err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("ended after %s, it took %s", after, took)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
