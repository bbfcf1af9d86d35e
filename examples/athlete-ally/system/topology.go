package system

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// stream is one of a topology, with the durables on it.
type stream struct {
	config   jetstream.StreamConfig
	durables []jetstream.ConsumerConfig
}

// Legacy is the stream of the topology before the migration.
func Legacy() jetstream.StreamConfig {
	return streamConfig(event.StreamLegacy, 24*time.Hour, "athlete-ally.>", "vendor.>", "sleep.*")
}

// Target are the streams of the topology after it.
func Target() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		streamConfig(event.StreamCore, 48*time.Hour, "athlete-ally.>", "sleep.*"),
		streamConfig(event.StreamVendor, 48*time.Hour, "vendor.>"),
		streamConfig(event.StreamDLQ, 14*24*time.Hour, "dlq.>"),
	}
}

func streamConfig(name string, maxAge time.Duration, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        name,
		Subjects:    subjects,
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		Compression: jetstream.S2Compression,
		MaxAge:      maxAge,
		Duplicates:  2 * time.Minute,
		Replicas:    3,
	}
}

// Durables are normalize's two, with the seed's settings: HRV, then Oura.
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

func before() []stream { return []stream{{Legacy(), Durables()}} }

func after() []stream {
	streams, durables := Target(), Durables()
	return []stream{{streams[0], durables[:1]}, {streams[1], durables[1:]}, {config: streams[2]}}
}
