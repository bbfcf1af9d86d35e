package nats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADumpIsProvedInAServerOfItsOwn(t *testing.T) {
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	b := newBench(t)
	name, sub := unique("DUMP"), space("dump")
	b.stream(name, sub+".>")
	worker := b.durable(name, "worker", sub+".x")
	b.publish(sub+".x", 5)
	b.ack(worker, 2)
	dir := t.TempDir()
	d, err := b.c.Dump(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.Counts[name] != 5 {
		t.Fatalf("%+v", d)
	}
	for other := range d.Counts { // of other tests on the same cluster
		if other != name {
			delete(d.Counts, other)
		}
	}
	if err := b.c.Prove(t.Context(), dir, d); err != nil {
		t.Errorf("a dump that is right: %v", err)
	}
	d.Counts[name] = 6
	if err := b.c.Prove(t.Context(), dir, d); err == nil || !strings.Contains(err.Error(), "had 6 messages") {
		t.Errorf("another count: %v", err)
	}
	d.Counts[name] = 5
	found, err := filepath.Glob(filepath.Join(dir, name+"-*", "*"))
	if err != nil || len(found) < 3 {
		t.Fatal(found, err)
	}
	for _, path := range found {
		if filepath.Base(path) != manifestFile {
			flip(t, path)
		}
	}
	if err := b.c.Prove(t.Context(), dir, d); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("other bytes: %v", err)
	}
}
