package nats

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// With one node stopped the cluster is not healthy, and a move, and its way
// back, still work; also over a connection that is opened only now.
func TestOneNodeStopped(t *testing.T) {
	t.Parallel()
	n := natstest.Cluster(t)
	b := &bench{t, connect(t, n), n.JetStream(t), 3}
	p := newTopology(b)
	healthy := b.check("nats.healthy", runbook.Params{"on": "bus", "nodes": int64(3)})
	r := b.awaits(healthy, evidence.Pass)
	if !strings.HasPrefix(r.Value, "3 of 3 nodes, 2 streams, 1 consumers") {
		t.Fatalf("value %q", r.Value)
	}
	e := b.effect(p.action())

	n.StopNode(t, n.StreamLeader(p.from))
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second) // who was connected to it hears of nobody for a moment
	defer cancel()
	if err := await(soon, func() (bool, error) {
		r = healthy.Read(t.Context())
		return r.Verdict == evidence.Fail && strings.Contains(r.Detail, "only 2 of 3 nodes answer"), nil
	}); err != nil {
		t.Fatalf("%v: detail %q", err, r.Detail)
	}
	old := b.c
	b.c = connect(t, n)
	if _, err := p.action().Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := p.action().(driver.Witness).Witness(t.Context(), e.Want); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 1)
	b.c = old // which has found another node
	undo := p.action().Undo(t.Context(), e)
	if _, kept := errors.AsType[*driver.Kept](undo); !kept {
		t.Fatal(undo)
	}
	if err := p.action().(driver.Witness).Witness(t.Context(), e.Before); err != nil {
		t.Fatal(err)
	}
	if b.info(p.to).State.Messages != 1 {
		t.Fatal("undo deleted a message")
	}
}

// A cluster that cannot be reached fails its health check, leaves a
// measurement unknown, and the error tells the servers and not the password.
func TestClusterThatIsGone(t *testing.T) {
	t.Parallel()
	n := natstest.Cluster(t)
	b := &bench{t, connect(t, n), n.JetStream(t), 3}
	b.stream("S", "s.>")
	b.durable("S", "worker", "s.x")
	checks := map[evidence.Verdict]driver.Check{
		evidence.Fail:    b.check("nats.healthy", runbook.Params{"on": "bus", "nodes": int64(3)}),
		evidence.Unknown: b.check("nats.lag", runbook.Params{"on": "bus", "stream": "S", "consumer": "worker", "below": int64(1)}),
	}
	n.Stop()
	var all sync.WaitGroup
	for verdict, check := range checks {
		all.Go(func() {
			start := time.Now()
			if r := check.Read(t.Context()); r.Verdict != verdict {
				t.Errorf("verdict %s, want %s: %+v", r.Verdict, verdict, r)
			}
			if took := time.Since(start); took > healthTimeout+time.Second {
				t.Errorf("the reading took %s", took)
			}
		})
	}
	all.Wait()
	_, err := catalog().Open(t.Context(), runbook.Use{Kind: runbook.Kind{Name: "nats"}, Params: runbook.Params{"url": n.URL()}}, nil)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:") || strings.Contains(err.Error(), natstest.Password) {
		t.Fatalf("error %v", err)
	}
}
