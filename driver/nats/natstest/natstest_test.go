package natstest_test

import (
	"testing"

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
	if _, err := js.Publish(t.Context(), "s.1", nil, jetstream.WithRetryAttempts(20)); err != nil {
		t.Fatal(err)
	}
	n.StartNode(t, 2)
	info, err := s.Info(t.Context())
	if err != nil || info.State.Msgs != 1 {
		t.Fatalf("state %+v, error %v", info, err)
	}
}
