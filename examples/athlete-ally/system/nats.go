package system

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// Legacy is the stream of the topology before the migration.
func Legacy() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        event.StreamLegacy,
		Subjects:    []string{"athlete-ally.>", "vendor.>", "sleep.*"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		Compression: jetstream.S2Compression,
		MaxAge:      24 * time.Hour,
		Duplicates:  2 * time.Minute,
		Replicas:    nodes,
	}
}

// Durables are normalize's two, with the seed's settings.
func Durables() []jetstream.ConsumerConfig {
	durable := func(name, subject string, ackWait time.Duration) jetstream.ConsumerConfig {
		return jetstream.ConsumerConfig{
			Durable: name, FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
			MaxDeliver: 5, MaxAckPending: 1000, DeliverPolicy: jetstream.DeliverAllPolicy, ReplayPolicy: jetstream.ReplayInstantPolicy,
		}
	}
	return []jetstream.ConsumerConfig{
		durable(event.DurableHRV, event.SubjectHRV, 60*time.Second),
		durable(event.DurableOura, event.SubjectOura, 15*time.Second),
	}
}

// provisionNATS waits for a cluster in which all nodes take part, then makes the
// topology before.
func provisionNATS(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, nats.Name("athlete-ally up"), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	// A stream of three replicas cannot be placed before three nodes are known.
	var stream jetstream.Stream
	err = await(ctx, "the NATS cluster", func(ctx context.Context) (err error) {
		stream, err = js.CreateOrUpdateStream(ctx, Legacy())
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range Durables() {
		err := await(ctx, "durable "+c.Durable, func(ctx context.Context) error {
			consumer, err := stream.CreateOrUpdateConsumer(ctx, c)
			if err != nil {
				return err
			}
			return whole(consumer.CachedInfo().Cluster)
		})
		if err != nil {
			return err
		}
	}
	return await(ctx, "the replicas of "+event.StreamLegacy, func(ctx context.Context) error {
		info, err := stream.Info(ctx)
		if err != nil {
			return err
		}
		return whole(info.Cluster)
	})
}

// whole wants a leader and every other replica beside it, up to date.
func whole(c *jetstream.ClusterInfo) error {
	if c == nil || c.Leader == "" {
		return errors.New("there is no leader")
	}
	if len(c.Replicas) != nodes-1 {
		return fmt.Errorf("%d replicas beside the leader, want %d", len(c.Replicas), nodes-1)
	}
	for _, r := range c.Replicas {
		if r.Offline || !r.Current {
			return fmt.Errorf("the replica on %s is behind", r.Name)
		}
	}
	return nil
}
