package system

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/sandbox"
)

// provisionNATS waits for a cluster in which all nodes take part, then makes the
// environment's topology.
func provisionNATS(ctx context.Context, url string, sh shape) error {
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
	for _, st := range sh.streams {
		if err := provisionStream(ctx, js, st, sh.nodes); err != nil {
			return err
		}
	}
	return nil
}

func provisionStream(ctx context.Context, js jetstream.JetStream, st stream, replicas int) error {
	cfg := st.config
	cfg.Replicas = replicas
	// A stream of three replicas cannot be placed before three nodes are known.
	var made jetstream.Stream
	err := sandbox.Await(ctx, "the NATS cluster", func(ctx context.Context) (err error) {
		made, err = js.CreateOrUpdateStream(ctx, cfg)
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range st.durables {
		err := sandbox.Await(ctx, "durable "+c.Durable, func(ctx context.Context) error {
			consumer, err := made.CreateOrUpdateConsumer(ctx, c)
			if err != nil {
				return err
			}
			return whole(consumer.CachedInfo().Cluster, replicas)
		})
		if err != nil {
			return err
		}
	}
	return sandbox.Await(ctx, "the replicas of "+cfg.Name, func(ctx context.Context) error {
		info, err := made.Info(ctx)
		if err != nil {
			return err
		}
		return whole(info.Cluster, replicas)
	})
}

// whole wants a leader and every other replica beside it, up to date. A node
// that is alone tells nothing of the kind.
func whole(c *jetstream.ClusterInfo, replicas int) error {
	switch {
	case replicas == 1:
		return nil
	case c == nil || c.Leader == "":
		return errors.New("there is no leader")
	case len(c.Replicas) != replicas-1:
		return fmt.Errorf("%d replicas beside the leader, want %d", len(c.Replicas), replicas-1)
	}
	for _, r := range c.Replicas {
		if r.Offline || !r.Current {
			return fmt.Errorf("the replica on %s is behind", r.Name)
		}
	}
	return nil
}
