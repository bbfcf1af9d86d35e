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

// Negative controls of what a restored stream is compared with: the stream itself
// is as it was dumped, until something of it is another.
func TestWhatIsNotAsItWasDumpedIsFound(t *testing.T) {
	b := newBench(t).in(t, 1)
	name, sub := unique("ASDUMPED"), space("asdumped")
	b.stream(name, sub+".>")
	worker := b.durable(name, "worker", sub+".x")
	b.publish(sub+".x", 5)
	b.ack(worker, 2)
	dir := t.TempDir()
	m, err := b.c.dump(t.Context(), name, dir)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, m.name())
	compare := func(stream, want string) {
		t.Helper()
		err := b.c.asDumped(t.Context(), dir, stream, 5, t.TempDir())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	compare(name, "")
	b.ack(worker, 1)
	compare(name, "consumer worker had got to")
	if err := b.js.DeleteConsumer(t.Context(), name, "worker"); err != nil {
		t.Fatal(err)
	}
	compare(name, "consumer worker is missing")
	b.publish(sub+".x", 1)
	compare(name, "it has 6 messages, and had 5 messages")
	// As many messages as were dumped, of the same sequences, at other times.
	other := unique("ASDUMPED")
	b.stream(other, sub+"-other.>")
	b.publish(sub+"-other.x", 5)
	compare(other, "as many messages, and others")
	s, err := b.js.Stream(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.publish(sub+"-other.x", 5)
	compare(other, "its last sequence is 10, and was 5")
}
