package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// maxAges are the streams of both topologies.
func maxAges() map[string]time.Duration {
	return map[string]time.Duration{
		event.StreamLegacy: 24 * time.Hour,
		event.StreamCore:   48 * time.Hour,
		event.StreamVendor: 48 * time.Hour,
		event.StreamDLQ:    14 * 24 * time.Hour,
	}
}

// streams are those that there are, of both topologies.
func (b *bench) streams(ctx context.Context) ([]*jetstream.StreamInfo, error) {
	var out []*jetstream.StreamInfo
	list := b.js.ListStreams(ctx)
	for info := range list.Info() {
		if _, ours := maxAges()[info.Config.Name]; ours {
			out = append(out, info)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no stream of either topology")
	}
	return out, nil
}

// durable finds one on a stream; nil if it is not there.
func (b *bench) durable(ctx context.Context, stream, name string) (*jetstream.ConsumerInfo, error) {
	consumer, err := b.js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s on %s: %w", name, stream, err)
	}
	return consumer.CachedInfo(), nil
}

func consumerSettings(ctx context.Context, p *probe) error {
	return await(ctx, func(ctx context.Context) error {
		streams, err := p.streams(ctx)
		if err != nil {
			return err
		}
		for subject, name := range readers() {
			owner, err := p.owner(ctx, subject)
			if err != nil {
				return err
			}
			read := false
			for _, s := range streams {
				info, err := p.durable(ctx, s.Config.Name, name)
				if err != nil {
					return err
				}
				if info == nil {
					continue
				}
				read = read || s.Config.Name == owner
				if err := asAsked(info.Config, subject); err != nil {
					return fmt.Errorf("%s on %s: %w", name, s.Config.Name, err)
				}
			}
			if !read {
				return fmt.Errorf("%s is not on %q, which takes %s", name, owner, subject)
			}
		}
		return nil
	})
}

// asAsked holds a durable to the settings of the operators' runbook.
func asAsked(cfg jetstream.ConsumerConfig, subject string) error {
	ackWait := 60 * time.Second
	if subject == event.SubjectOura {
		ackWait = 15 * time.Second
	}
	filters := cfg.FilterSubjects
	if cfg.FilterSubject != "" {
		filters = append(filters, cfg.FilterSubject)
	}
	switch {
	case cfg.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf("ack policy %s, want explicit", cfg.AckPolicy)
	case cfg.AckWait != ackWait:
		return fmt.Errorf("ack wait %s, want %s", cfg.AckWait, ackWait)
	case cfg.MaxDeliver != 5:
		return fmt.Errorf("max deliver %d, want 5", cfg.MaxDeliver)
	case cfg.MaxAckPending != 1000:
		return fmt.Errorf("max ack pending %d, want 1000", cfg.MaxAckPending)
	case !slices.Equal(filters, []string{subject}):
		return fmt.Errorf("filter %v, want %s", filters, subject)
	case cfg.ReplayPolicy != jetstream.ReplayInstantPolicy:
		return fmt.Errorf("replay %s, want instant", cfg.ReplayPolicy)
	}
	return nil
}

func streamSettings(ctx context.Context, p *probe) error {
	return await(ctx, func(ctx context.Context) error {
		streams, err := p.streams(ctx)
		if err != nil {
			return err
		}
		for _, s := range streams {
			if err := p.asTold(s.Config); err != nil {
				return fmt.Errorf("stream %s: %w", s.Config.Name, err)
			}
		}
		return nil
	})
}

func (b *bench) asTold(cfg jetstream.StreamConfig) error {
	switch {
	case cfg.Storage != jetstream.FileStorage:
		return fmt.Errorf("storage %s, want file", cfg.Storage)
	case cfg.Replicas != b.nodes():
		return fmt.Errorf("%d replicas, want %d, one on each node", cfg.Replicas, b.nodes())
	case cfg.Compression != jetstream.S2Compression:
		return fmt.Errorf("compression %s, want s2", cfg.Compression)
	case cfg.Duplicates != 2*time.Minute:
		return fmt.Errorf("duplicate window %s, want 2m", cfg.Duplicates)
	case cfg.Retention != jetstream.LimitsPolicy:
		return fmt.Errorf("retention %s, want limits", cfg.Retention)
	case cfg.Discard != jetstream.DiscardOld:
		return fmt.Errorf("discard %s, want old", cfg.Discard)
	case cfg.MaxAge != maxAges()[cfg.Name]:
		return fmt.Errorf("max age %s, want %s", cfg.MaxAge, maxAges()[cfg.Name])
	case cfg.MaxMsgs > 0 || cfg.MaxBytes > 0:
		return fmt.Errorf("at most %d messages and %d bytes, want no limit", cfg.MaxMsgs, cfg.MaxBytes)
	}
	return nil
}

func oneOwner(ctx context.Context, p *probe) error {
	return await(ctx, func(ctx context.Context) error {
		for _, subject := range []string{event.SubjectHRV, event.SubjectSleep, event.SubjectOura} {
			owners, err := p.owners(ctx, subject)
			if err != nil {
				return err
			}
			if len(owners) != 1 {
				return fmt.Errorf("%s is taken by %v, want exactly one stream", subject, owners)
			}
			if _, ours := maxAges()[owners[0]]; !ours {
				return fmt.Errorf("%s is taken by %s, which is of neither topology", subject, owners[0])
			}
		}
		// Without a stream for dead letters nobody takes them.
		dlq, err := p.owners(ctx, event.PrefixDLQ+event.SubjectHRV)
		if err == nil && len(dlq) > 0 && !slices.Equal(dlq, []string{event.StreamDLQ}) {
			err = fmt.Errorf("dead letters are taken by %v, want %s", dlq, event.StreamDLQ)
		}
		return err
	})
}

func (b *bench) owners(ctx context.Context, subject string) ([]string, error) {
	var out []string
	names := b.js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
	for name := range names.Name() {
		out = append(out, name)
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("ask for the owners of %s: %w", subject, err)
	}
	slices.Sort(out)
	return out, nil
}

// messageIDOnce uses sleep data, which nobody reads.
func messageIDOnce(ctx context.Context, p *probe) error {
	return attempt(ctx, func(ctx context.Context) error {
		id := p.name()
		first, err := p.publish(ctx, event.SubjectSleep, id, aNight(id))
		if err != nil {
			return err
		}
		again, err := p.publish(ctx, event.SubjectSleep, id, aNight(id))
		switch {
		case err != nil:
			return err
		case again.stream != first.stream:
			return fmt.Errorf("%s went to %s and then to %s: it is being moved", event.SubjectSleep, first.stream, again.stream)
		case again.seq != first.seq:
			return final("message id %s is stored as %d and as %d of %s", id, first.seq, again.seq, first.stream)
		}
		return nil
	})
}

func busHealthy(ctx context.Context, p *probe) error {
	return await(ctx, func(ctx context.Context) error {
		for _, url := range p.Monitors {
			code, raw, err := p.get(ctx, url+"/healthz")
			if err != nil {
				return err
			}
			if code != http.StatusOK {
				return fmt.Errorf("GET %s/healthz: %d %s", url, code, raw)
			}
		}
		streams, err := p.streams(ctx)
		if err != nil {
			return err
		}
		for _, s := range streams {
			if err := p.whole(s.Cluster); err != nil {
				return fmt.Errorf("stream %s: %w", s.Config.Name, err)
			}
			for _, name := range readers() {
				info, err := p.durable(ctx, s.Config.Name, name)
				if err != nil {
					return err
				}
				if info == nil {
					continue
				}
				if err := p.whole(info.Cluster); err != nil {
					return fmt.Errorf("%s on %s: %w", name, s.Config.Name, err)
				}
			}
		}
		return nil
	})
}

// whole wants a leader and every other node beside it. A single node has no
// cluster to tell of.
func (b *bench) whole(c *jetstream.ClusterInfo) error {
	switch {
	case b.nodes() == 1:
		return nil
	case c == nil || c.Leader == "":
		return errors.New("it has no leader")
	case len(c.Replicas) != b.nodes()-1:
		return fmt.Errorf("%d replicas beside the leader, want %d", len(c.Replicas), b.nodes()-1)
	}
	for _, r := range c.Replicas {
		if r.Offline || !r.Current {
			return fmt.Errorf("the replica on %s is offline or behind", r.Name)
		}
	}
	return nil
}
