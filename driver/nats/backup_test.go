package nats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jsm.go"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/runbook"
)

func TestBackupWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(), MayKeep: true, NothingToDisturb: true,
		World: func(t testing.TB) drivertest.World {
			b := b.in(t, 1)
			name, sub := unique("BACKUP"), space("backup")
			b.stream(name, sub+".>")
			b.publish(sub+".x", 3)
			p := runbook.Params{"on": "bus", "stream": name, "to": filepath.Join(t.TempDir(), "backups")}
			return drivertest.World{Action: func() driver.Action { return b.action("nats.backup", p) }}
		},
	})
}

// flip changes one byte of a file.
func flip(t testing.TB, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBackupSaysWhatIsInItAndABrokenOneIsNone(t *testing.T) {
	b := newBench(t)
	name, sub, to := unique("BACKUP"), space("backup"), t.TempDir()
	b.stream(name, sub+".>")
	c := b.durable(name, "worker", sub+".x")
	b.publish(sub+".x", 3)
	b.ack(c, 1)
	a := b.action("nats.backup", runbook.Params{"on": "bus", "stream": name, "to": to})
	b.apply(a)
	m := b.saved(to, name)
	if m.Messages != 3 || m.LastSeq != 3 || m.Newest == nil || m.Newest.Seq != 3 {
		t.Fatalf("manifest %+v", m.manifest)
	}
	if len(m.Consumers) != 1 || m.Consumers[0].Name != "worker" || !m.Consumers[0].Durable || m.Consumers[0].AckFloor.Stream != 1 {
		t.Fatalf("consumers %+v", m.Consumers)
	}
	data, err := jsm.SnapshotDataPath(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, data)
	if before, err := a.Observe(t.Context()); err != nil || len(before[a.Resources()[0].ID]) != 0 {
		t.Fatalf("a damaged backup counts: %s, error %v", before, err)
	}
}

// saved is the newest whole backup of a stream.
func (b *bench) saved(dir, stream string) *found {
	b.t.Helper()
	m, _, err := newest(b.t.Context(), dir, stream, b.c.own)
	if err != nil || m == nil {
		b.t.Fatalf("no whole backup of %s: %v", stream, err)
	}
	return m
}

// A chunk that never came leaves an archive that only reading it tells.
func TestAnArchiveWithAHoleIsNoBackup(t *testing.T) {
	b := newBench(t)
	name, sub, dir := unique("BACKUP"), space("backup"), t.TempDir()
	b.stream(name, sub+".>")
	b.publish(sub+".x", 100)
	m, err := b.c.snapshot(t.Context(), name, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	path, err := jsm.SnapshotDataPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, hole := range map[string][]byte{
		"the end is missing": whole[:len(whole)*2/3],
		"a piece is missing": append(append([]byte{}, whole[:len(whole)/3]...), whole[len(whole)/2:]...),
	} {
		if err := os.WriteFile(path, hole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.read(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not whole") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestABackupWithoutConsumersIsNotGoodEnoughForOneWith(t *testing.T) {
	b := newBench(t).in(t, 1)
	name, sub, to := unique("BACKUP"), space("backup"), t.TempDir()
	b.stream(name, sub+".>")
	p := runbook.Params{"on": "bus", "stream": name, "to": to, "consumers": false}
	b.apply(b.action("nats.backup", p))
	with := b.action("nats.backup", runbook.Params{"on": "bus", "stream": name, "to": to})
	if before, err := with.Observe(t.Context()); err != nil || len(before[with.Resources()[0].ID]) != 0 {
		t.Fatalf("it counts: %s, error %v", before, err)
	}
	p["fresh"] = time.Duration(0)
	always := b.action("nats.backup", p)
	b.apply(always)
	if all, err := backups(to, name); err != nil || len(all) != 2 {
		t.Fatalf("%d backups, error %v", len(all), err)
	}
}

func TestWhatAKilledBackupLeftGoesAndNothingOfOthers(t *testing.T) {
	b := newBench(t)
	name, sub, to := unique("LEFT"), space("left"), t.TempDir()
	b.stream(name, sub+".>")
	b.publish(sub+".x", 1)
	own, others := filepath.Join(to, ".partial-"+name+"-12"), filepath.Join(to, ".partial-"+name+"-7-12")
	for _, dir := range []string{own, others} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.apply(b.action("nats.backup", runbook.Params{"on": "bus", "stream": name, "to": to}))
	if _, err := os.Stat(own); !os.IsNotExist(err) {
		t.Errorf("what was left half-done is still there: %v", err)
	}
	if _, err := os.Stat(others); err != nil {
		t.Errorf("the half-done backup of stream %s-7 is gone: %v", name, err)
	}
}
