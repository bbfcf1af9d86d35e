package nats

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// shared is the cluster of all tests but those that stop nodes.
var shared *natstest.Nodes

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if natstest.ServeNode() {
		return 0
	}
	dir, err := os.MkdirTemp("", "segue-nats-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if shared, err = natstest.Start(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop()
	return m.Run()
}

func catalog() *driver.Catalog {
	var c driver.Catalog
	c.Add(Parts()...)
	return &c
}

func connect(t testing.TB, n *natstest.Nodes) *Conn {
	t.Helper()
	return connectTo(t, n, n.URL())
}

func connectTo(t testing.TB, n *natstest.Nodes, url string) *Conn {
	t.Helper()
	conn, err := catalog().Open(t.Context(), runbook.Use{
		Kind:   runbook.Kind{Name: "nats"},
		Params: runbook.Params{"url": "${NATS_URL}", "system": "${NATS_SYSTEM}"},
	}, func(ref string) (string, error) {
		return map[string]string{"NATS_URL": url, "NATS_SYSTEM": n.SystemCreds()}[ref], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*Conn)
}

// bench is a connection and a client of the test's own.
type bench struct {
	t        testing.TB
	c        *Conn
	js       jetstream.JetStream
	replicas int
}

// in is the bench for a subtest, with streams of so many replicas: creating
// them with one is ten times as fast.
func (b *bench) in(t testing.TB, replicas int) *bench { return &bench{t, b.c, b.js, replicas} }

func newBench(t testing.TB) *bench {
	t.Helper()
	return &bench{t, connect(t, shared), shared.JetStream(t), 3}
}

var serial atomic.Int64

// unique is a name that no other test has.
func unique(prefix string) string { return fmt.Sprintf("%s%d", prefix, serial.Add(1)) }

// space is a subject prefix that no other test has.
func space(prefix string) string { return strings.ToLower(unique(prefix)) }

func (b *bench) action(name string, p runbook.Params) driver.Action {
	b.t.Helper()
	a, err := catalog().Action(b.t.Context(), driver.Only(b.c), runbook.Use{Kind: runbook.Kind{Name: name}, Params: p}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bench) check(name string, p runbook.Params) driver.Check {
	b.t.Helper()
	c, err := catalog().Check(b.t.Context(), driver.Only(b.c), runbook.Use{Kind: runbook.Kind{Name: name}, Params: p}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) stream(name string, subjects ...string) jetstream.Stream {
	b.t.Helper()
	return b.create(jetstream.StreamConfig{Name: name, Subjects: subjects, Replicas: b.replicas, MaxAge: 24 * time.Hour, Metadata: map[string]string{"team": "vendor"}})
}

// create makes a stream that everybody knows of. The list of all, which the meta
// leader keeps, may be behind the stream's own leader.
func (b *bench) create(cfg jetstream.StreamConfig) jetstream.Stream {
	b.t.Helper()
	var s jetstream.Stream
	err := await(b.t.Context(), func() (bool, error) {
		var err error
		s, err = b.js.CreateStream(b.t.Context(), cfg)
		if refused, ok := errors.AsType[*jetstream.APIError](err); ok && strings.Contains(refused.Description, "creating store") {
			return false, nil // a busy node: it is asked again
		}
		return err == nil, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the cluster may be gone
		defer cancel()
		_ = b.js.DeleteStream(ctx, cfg.Name)
	})
	if err := await(b.t.Context(), func() (bool, error) {
		all, err := b.c.streamNames(b.t.Context())
		return slices.Contains(all, cfg.Name), err
	}); err != nil {
		b.t.Fatalf("stream %s is not listed: %v", cfg.Name, err)
	}
	return s
}

func (b *bench) durable(stream, name, filter string) jetstream.Consumer {
	b.t.Helper()
	c, err := b.js.CreateOrUpdateConsumer(b.t.Context(), stream, jetstream.ConsumerConfig{Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 15 * time.Second, MaxDeliver: 5})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) publish(subject string, n int) {
	b.t.Helper()
	for i := range n {
		if _, err := b.js.Publish(b.t.Context(), subject, fmt.Appendf(nil, "%d", i)); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) ack(c jetstream.Consumer, n int) {
	b.t.Helper()
	// A consumer that was just made may have no leader for a moment.
	var last error
	for deadline := time.Now().Add(10 * time.Second); n > 0 && time.Now().Before(deadline); {
		msgs, err := c.Fetch(n, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			last = err
			continue
		}
		for m := range msgs.Messages() {
			if err := m.DoubleAck(b.t.Context()); err != nil {
				b.t.Fatal(err)
			}
			n--
		}
		last = msgs.Error()
	}
	if n > 0 {
		b.t.Fatalf("%d messages were not delivered: %v", n, last)
	}
}

func (b *bench) info(stream string) *streamInfo {
	b.t.Helper()
	info, err := b.c.stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	return info
}

// effect observes and plans, as the runner does before it writes an intent.
func (b *bench) effect(a driver.Action) driver.Effect {
	b.t.Helper()
	before, want, err := b.plan(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return driver.Effect{
		Before: before, Want: want,
		Save: func(context.Context, any) error { return nil },
		Mine: func() error { return nil },
	}
}

func (b *bench) plan(a driver.Action) (before, want state.State, err error) {
	b.t.Helper()
	if before, err = a.Observe(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	s, ok := a.(driver.Surveyor)
	if !ok {
		want, err = a.Plan(before)
		return before, want, err
	}
	others, err := s.Survey(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	want, err = s.PlanAmong(before, others)
	return before, want, err
}

func (b *bench) apply(a driver.Action) driver.Effect {
	b.t.Helper()
	e := b.effect(a)
	if _, err := a.Apply(b.t.Context(), e); err != nil {
		b.t.Fatal(err)
	}
	return e
}

// awaits reads a check until it gives the verdict.
func (b *bench) awaits(c driver.Check, v evidence.Verdict) evidence.Reading {
	b.t.Helper()
	return b.reads(c, v.String(), func(r evidence.Reading) bool { return r.Verdict == v })
}

// reads reads a check until its reading is the one that is waited for.
func (b *bench) reads(c driver.Check, what string, is func(evidence.Reading) bool) evidence.Reading {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 15*time.Second)
	defer cancel()
	var r evidence.Reading
	if err := await(ctx, func() (bool, error) {
		r = c.Read(ctx)
		return is(r), nil
	}); err != nil {
		b.t.Fatalf("never %s, last %+v", what, r)
	}
	return r
}

func wantVerdict(t testing.TB, r evidence.Reading, v evidence.Verdict) {
	t.Helper()
	if r.Verdict != v {
		t.Fatalf("verdict %s, want %s: %+v", r.Verdict, v, r)
	}
}
