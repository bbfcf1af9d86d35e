package natstest_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver/nats/natstest"
)

func TestClusterServesWithOneNodeStoppedAndTakesItBack(t *testing.T) {
	n := natstest.Cluster(t)
	js := n.JetStream(t)
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	n.StopNode(t, 2)
	// What was sent to the node that went is never answered: ask again.
	var failed error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, failed = js.Publish(ctx, "s.1", nil, jetstream.WithMsgID("one"), jetstream.WithRetryAttempts(100))
		if cancel(); failed == nil {
			break
		}
	}
	if failed != nil {
		t.Fatal(failed)
	}
	n.StartNode(t, 2)
	info, err := s.Info(t.Context())
	if err != nil || info.State.Msgs != 1 {
		t.Fatalf("state %+v, error %v", info, err)
	}
}
