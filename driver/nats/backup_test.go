package nats

import (
	"context"
	"os"
	"path/filepath"
	"testing"

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

func TestBackupCanBeRestoredAndABrokenOneIsNone(t *testing.T) {
	b := newBench(t)
	name, sub, to := unique("BACKUP"), space("backup"), t.TempDir()
	b.stream(name, sub+".>")
	b.durable(name, "worker", sub+".x")
	b.publish(sub+".x", 3)
	a := b.action("nats.backup", runbook.Params{"on": "bus", "stream": name, "to": to})
	b.apply(a)
	m, dir, err := newest(to, name)
	if err != nil || m == nil || m.Messages != 3 {
		t.Fatalf("manifest %+v, error %v", m, err)
	}
	if err := b.js.DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	mgr, err := jsm.New(b.c.nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := mgr.RestoreSnapshotFromDirectory(t.Context(), name, dir); err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), func() (bool, error) {
		info, err := b.c.consumer(t.Context(), name, "worker")
		return info != nil && info.Pending == 3, err
	}); err != nil {
		t.Fatal(err)
	}
	data, err := jsm.SnapshotDataPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(data, 10); err != nil {
		t.Fatal(err)
	}
	if before, err := a.Observe(context.Background()); err != nil || len(before[a.Resources()[0].ID]) != 0 {
		t.Fatalf("a truncated backup counts: %s, error %v", before, err)
	}
}
