package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/segue-run/segue/driver"
)

// spread gives a restored stream its replicas. A stream that the server
// restores on several nodes at once can stay empty on all but one until its
// next message, while STREAM.INFO calls them current; and a consumer that is
// led from an empty one delivers nothing (nats-server 2.15.2, 1 in 12). So it
// is restored on one, and these are added, which the server does well.
func (a *restore) spread(ctx context.Context, e driver.Effect, info *streamInfo, b found, replicas int64) (*streamInfo, error) {
	if replicas > 1 && number(info.Config["num_replicas"]) != replicas {
		cfg := maps.Clone(info.Config)
		cfg["num_replicas"] = compact(replicas)
		if _, err := a.c.updateStream(ctx, e.Mine, a.p.Stream, cfg); err != nil {
			return nil, err
		}
	}
	info, err := a.c.spreads(ctx, a.p.Stream, int(replicas), b.LastSeq)
	if err != nil {
		return nil, fmt.Errorf("%s: wait until stream %s is on %d nodes: %w", a.c, a.p.Stream, replicas, err)
	}
	for _, k := range b.Consumers {
		if !a.consumers() || k.Replicas <= 1 {
			continue
		}
		now, err := a.c.consumer(ctx, a.p.Stream, k.Name)
		if err != nil {
			return nil, err
		}
		own := min(k.Replicas, replicas)
		if now == nil || number(now.Config["num_replicas"]) == own {
			continue
		}
		cfg := maps.Clone(now.Config)
		cfg["num_replicas"] = compact(own)
		if err := a.c.writeConsumer(ctx, e.Mine, a.p.Stream, k.Name, cfg); err != nil {
			return nil, err
		}
	}
	return info, nil
}

// steady is how long replicas must be current without a break, when nothing
// but STREAM.INFO says so: it does before they have their first message.
const steady = 2 * time.Second

// spreads waits until the online replicas of a stream, a majority, have its
// messages up to last.
func (c *Conn) spreads(ctx context.Context, stream string, replicas int, last uint64) (*streamInfo, error) {
	var info *streamInfo
	var since time.Time // when they were all current first
	err := await(ctx, func() (bool, error) {
		var err error
		if info, err = c.stream(ctx, stream); err != nil {
			return false, err
		}
		if info == nil {
			return false, fmt.Errorf("stream %s is gone", stream)
		}
		if replicas <= 1 {
			return true, nil
		}
		online, current := info.online()
		if online <= replicas/2 || current < online || len(info.Cluster.Replicas)+1 < replicas {
			since = time.Time{}
			return false, nil
		}
		if c.sys != nil {
			have, err := c.have(ctx, stream, online, last)
			return have >= online, err
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= steady, nil
	})
	return info, err
}

// online counts a stream's replicas that are there, and of these the current.
func (i *streamInfo) online() (online, current int) {
	if i.Cluster == nil || i.Cluster.Leader == "" {
		return 0, 0
	}
	online, current = 1, 1
	for _, r := range i.Cluster.Replicas {
		if !r.Offline {
			online++
			if r.Current {
				current++
			}
		}
	}
	return online, current
}

// have asks the nodes themselves how many have a stream up to a message.
func (c *Conn) have(ctx context.Context, stream string, want int, last uint64) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	n := 0
	err := c.everyNode(ctx, "$SYS.REQ.SERVER.PING.JSZ", map[string]any{"account": c.account, "streams": true}, func(data []byte) bool {
		var reply struct {
			Data struct {
				Accounts []struct {
					Streams []struct {
						Name  string      `json:"name"`
						State streamState `json:"state"`
					} `json:"stream_detail"`
				} `json:"account_details"`
			} `json:"data"`
		}
		if json.Unmarshal(data, &reply) == nil {
			for _, acc := range reply.Data.Accounts {
				for _, s := range acc.Streams {
					if s.Name == stream && s.State.LastSeq >= last {
						n++
					}
				}
			}
		}
		return n < want
	})
	return n, err
}
