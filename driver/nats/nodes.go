package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// meta is the cluster's own view of itself.
type meta struct {
	Leader   string `json:"leader"`
	Size     int    `json:"cluster_size"`
	Replicas []peer `json:"replicas"`
}

// askMeta asks the meta leader, through the system account.
func (c *Conn) askMeta(ctx context.Context) (meta, error) {
	var reply struct {
		Data struct {
			Meta *meta `json:"meta_cluster"`
		} `json:"data"`
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	m, err := c.sys.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING.JSZ", []byte(`{"leader_only":true}`))
	if err != nil {
		return meta{}, fmt.Errorf("%s: no meta leader answers: %w", c, err)
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return meta{}, fmt.Errorf("%s: answer of the meta leader: %w", c, err)
	}
	if reply.Data.Meta == nil {
		return meta{}, nil // a single node
	}
	return *reply.Data.Meta, nil
}

// nodes is how many nodes the cluster is made of, whether they are up or not;
// 0 if that cannot be known without a system account.
func (c *Conn) nodes(ctx context.Context) (int, error) {
	switch {
	case c.nc.ConnectedClusterName() == "" && c.nc.IsConnected():
		return 1, nil
	case c.sys == nil:
		return 0, nil
	}
	m, err := c.askMeta(ctx)
	return m.Size, err
}

// answering counts the nodes that answer a ping, waiting no longer than
// within for want of them.
func (c *Conn) answering(ctx context.Context, want int, within time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	seen := map[string]bool{}
	err := c.everyNode(ctx, "$SYS.REQ.SERVER.PING", nil, func(data []byte) bool {
		var pong struct {
			Server struct {
				ID      string `json:"id"`
				Cluster string `json:"cluster"`
			} `json:"server"`
		}
		if json.Unmarshal(data, &pong) == nil && pong.Server.Cluster == c.nc.ConnectedClusterName() {
			seen[pong.Server.ID] = true
		}
		return len(seen) < want
	})
	return len(seen), err
}

// everyNode puts a question to all nodes through the system account and hands
// on each answer, as long as more is wanted, and until ctx's deadline.
func (c *Conn) everyNode(ctx context.Context, subject string, req any, more func(data []byte) bool) error {
	body, err := encode(req)
	if err != nil {
		return err
	}
	inbox := c.sys.NewRespInbox()
	sub, err := c.sys.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("%s: ask the nodes: %w", c, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := c.sys.PublishRequest(subject, inbox, body); err != nil {
		return fmt.Errorf("%s: ask the nodes: %w", c, err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: ask the nodes: %w", c, err)
		}
		if !more(m.Data) {
			return nil
		}
	}
}
