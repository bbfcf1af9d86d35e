package nats

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
)

// dumpedAndLost are two streams that were dumped and deleted.
func dumpedAndLost(b *bench) (from driver.Dumps, streams []string) {
	b.t.Helper()
	dir := b.t.TempDir()
	for range 2 {
		name, sub := unique("GONE"), space("gone")
		b.stream(name, sub+".>")
		c := b.durable(name, "worker", sub+".x")
		b.publish(sub+".x", 5)
		b.ack(c, 2)
		if _, err := b.c.dump(b.t.Context(), name, dir); err != nil {
			b.t.Fatal(err)
		}
		if err := b.js.DeleteStream(b.t.Context(), name); err != nil {
			b.t.Fatal(err)
		}
		streams = append(streams, name)
	}
	return driver.Dumps{
		Dir:   filepath.Dir(dir),
		Good:  func(context.Context) (string, error) { return dir, nil },
		All:   func() ([]string, error) { return []string{dir}, nil },
		Check: func(context.Context, string) error { return nil },
	}, streams
}

func (b *bench) restoring(from driver.Dumps, streams []string) driver.Action {
	b.t.Helper()
	a, err := b.c.Returning(b.t.Context(), from, streams)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// Not parallel, as TestRestoreWalks.
func TestRestoreOfADumpWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Slow: true, MayKeep: true, Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			own := b.in(t, 1)
			from, streams := dumpedAndLost(own)
			return drivertest.World{
				Action: func() driver.Action { return own.restoring(from, streams) },
				Disturb: func(ctx context.Context) error {
					return own.edit(ctx, streams[0], func(c *jetstream.StreamConfig) { delete(c.Metadata, restoredKey) })
				},
			}
		},
	})
}

func TestARestoreThatFailsHalfWaySaysWhatIsThere(t *testing.T) {
	b := newBench(t).in(t, 1)
	from, streams := dumpedAndLost(b)
	a := b.restoring(from, streams)
	e := b.effect(a)
	looked := 0
	from.Check = func(context.Context, string) error {
		if looked++; looked > 1 {
			return errors.New("it is not what was written")
		}
		return nil
	}
	_, err := b.restoring(from, streams).Apply(t.Context(), e)
	if err == nil || !strings.Contains(err.Error(), "restore stream "+streams[1]+": it is not what was written; restored before it were streams "+streams[0]) {
		t.Fatalf("%v", err)
	}
	if info := b.info(streams[0]); info == nil || info.State.Messages != 5 {
		t.Errorf("%+v", info)
	}
	if info := b.info(streams[1]); info != nil {
		t.Errorf("%+v", info)
	}
	if _, err := b.c.Returning(t.Context(), from, []string{"a.b"}); err == nil {
		t.Error("a name that no stream has is taken")
	}
	if err := b.js.DeleteStream(t.Context(), streams[0]); err != nil {
		t.Fatal(err)
	}
}
