package nats

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jsm.go"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

func TestRestoreRefuses(t *testing.T) {
	b := newBench(t).in(t, 1)
	l := newLost(b)
	taker := unique("TAKER")
	b.stream(taker, l.sub+".x")
	refuses := func(a driver.Action, parts ...string) {
		t.Helper()
		_, _, err := b.plan(a)
		refusal, ok := errors.AsType[*driver.Refusal](err)
		if !ok || refusal.Remedy == "" {
			t.Fatalf("error %v", err)
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in %q", part, err)
			}
		}
	}
	refuses(l.action(), "10065", taker, l.sub+".x", "closed: true", "nats.move")
	refuses(l.with(runbook.Params{"closed": true, "from": t.TempDir()}), "no whole backup", "nats.backup")
	refuses(l.with(runbook.Params{"closed": true, "backup": "ELSE-1"}), "no whole backup", "ELSE-1")
	refuses(l.with(runbook.Params{"closed": true, "replicas": int64(5)}), "10074", "replicas: 3")

	m := b.saved(l.from, l.name)
	foreign := m.manifest
	foreign.Account = "OTHER"
	rewrite(t, m.dir, foreign)
	refuses(l.with(runbook.Params{"closed": true}), "OTHER", "foreign: true")
	refuses(l.with(runbook.Params{"closed": true, "backup": m.name()}), "OTHER", "foreign: true")
	if _, want, err := b.plan(l.with(runbook.Params{"closed": true, "foreign": true})); err != nil || word(want[b.c.streamID(l.name)]["restored"]) != m.name() {
		t.Fatalf("want %s, error %v", want, err)
	}

	foreign.Account = b.c.account
	rewrite(t, m.dir, foreign)
	closed := l.with(runbook.Params{"closed": true})
	e := b.effect(closed)
	data, err := jsm.SnapshotDataPath(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, data)
	refuses(closed, "damaged", "checksum")
	if _, err := closed.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "checksum") || b.info(l.name) != nil {
		t.Fatalf("error %v", err)
	}
	flip(t, data)
	b.apply(closed)
	if info := b.info(l.name); len(info.subjects()) != 0 || info.State.Messages != 10 {
		t.Fatalf("stream %+v", info)
	}
	other := unique("THERE")
	b.stream(other, space("there"))
	refuses(b.action("nats.restore", runbook.Params{"on": "bus", "stream": other, "from": l.from}), "exists")
}

func rewrite(t testing.TB, dir string, m *manifest) {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestFile), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Messages that are older than the stream keeps them would go at once.
func TestRestoreOfWhatHasExpiredMeanwhileIsRefusedAndCanBeKept(t *testing.T) {
	b := newBench(t).in(t, 1)
	l := newLost(b)
	m := b.saved(l.from, l.name)
	raw, err := os.ReadFile(filepath.Join(m.dir, jsm.SnapshotMetaFile))
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.Replace(string(raw), `"max_age": 86400000000000`, `"max_age": 200000000`, 1))
	if err := os.WriteFile(filepath.Join(m.dir, jsm.SnapshotMetaFile), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	changed := *m.manifest
	if err := changed.write(t.Context(), m.dir); err != nil {
		t.Fatal(err)
	}
	delete(changed.SHA256, manifestFile)
	rewrite(t, m.dir, &changed)
	a := l.action().(*restore)
	if err := await(t.Context(), func() (bool, error) {
		_, _, err := b.plan(a)
		_, refused := errors.AsType[*driver.Refusal](err)
		return refused && strings.Contains(err.Error(), "all would go at once"), nil
	}); err != nil {
		t.Fatal(err)
	}
	b.apply(l.with(runbook.Params{"max-age": time.Duration(0)}))
	if info := b.info(l.name); info.State.Messages != 10 || number(info.Config["max_age"]) != 0 {
		t.Fatalf("stream %+v", info)
	}
}
