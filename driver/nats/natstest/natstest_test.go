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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a new leader may take its time
	defer cancel()
	if _, err := js.Publish(ctx, "s.1", nil, jetstream.WithRetryAttempts(100)); err != nil {
		t.Fatal(err)
	}
	n.StartNode(t, 2)
	info, err := s.Info(ctx)
	if err != nil || info.State.Msgs != 1 {
		t.Fatalf("state %+v, error %v", info, err)
	}
}
