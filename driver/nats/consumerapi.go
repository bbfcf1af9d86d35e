package nats

import (
	"context"
	"encoding/json"
	"fmt"
)

// consumerInfo is what CONSUMER.INFO says, as the consumer's leader sees it.
type consumerInfo struct {
	Name       string       `json:"name"`
	Config     config       `json:"config"`
	Delivered  position     `json:"delivered"`
	AckFloor   position     `json:"ack_floor"`
	AckPending uint64       `json:"num_ack_pending"`
	Pending    uint64       `json:"num_pending"`
	Paused     bool         `json:"paused"`
	Cluster    *clusterInfo `json:"cluster"`
}

type position struct {
	Consumer uint64 `json:"consumer_seq"`
	Stream   uint64 `json:"stream_seq"`
}

// drained: everything was delivered and acknowledged.
func (i *consumerInfo) drained() bool { return i.Pending == 0 && i.AckPending == 0 }

// left is what it has yet to finish, for people.
func (i *consumerInfo) left() string {
	return fmt.Sprintf("%d pending, %d delivered and not acknowledged", i.Pending, i.AckPending)
}

// filters are a consumer's filter subjects as a set, empty if it takes all.
func (i *consumerInfo) filters() []string {
	var many []string
	_ = json.Unmarshal(i.Config["filter_subjects"], &many)
	if one := word(i.Config["filter_subject"]); one != "" {
		many = append(many, one)
	}
	return sorted(many)
}

func putFilters(cfg config, set []string) {
	delete(cfg, "filter_subject")
	delete(cfg, "filter_subjects")
	switch len(set) {
	case 0:
	case 1:
		cfg["filter_subject"] = compact(set[0])
	default:
		cfg["filter_subjects"] = compact(set)
	}
}

// consumer returns nil if the stream, or the consumer on it, is not there.
func (c *Conn) consumer(ctx context.Context, stream, name string) (*consumerInfo, error) {
	var info consumerInfo
	err := c.ask(ctx, "$JS.API.CONSUMER.INFO."+stream+"."+name, nil, &info)
	if hasCode(err, errNoStream) || hasCode(err, errNoConsumer) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("look at consumer %s of stream %s: %w", name, stream, err)
	}
	return &info, nil
}

// consumers lists a stream's consumers. missing are those whose leader did
// not answer.
func (c *Conn) consumers(ctx context.Context, stream string) (all []consumerInfo, missing []string, err error) {
	list, err := pages(func(offset int) (out []item[consumerInfo], total int, err error) {
		var page struct {
			Total     int               `json:"total"`
			Consumers []consumerInfo    `json:"consumers"`
			Missing   []string          `json:"missing"`
			Offline   map[string]string `json:"offline"`
		}
		if err := c.askList(ctx, "$JS.API.CONSUMER.LIST."+stream, map[string]int{"offset": offset}, &page); err != nil {
			return nil, 0, err
		}
		for i := range page.Consumers {
			out = append(out, item[consumerInfo]{page.Consumers[i].Name, &page.Consumers[i]})
		}
		return unanswered(out, page.Missing, page.Offline), page.Total, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list the consumers of stream %s: %w", stream, err)
	}
	all, missing = apart(list)
	return all, missing, nil
}

// writeConsumer creates or updates a durable. What the server fills in for
// itself is left out: it does so again.
func (c *Conn) writeConsumer(ctx context.Context, mine func() error, stream, name string, cfg config) error {
	cfg["durable_name"], cfg["name"] = compact(name), compact(name)
	req := map[string]any{"stream_name": stream, "config": cfg}
	if err := c.tell(ctx, mine, "$JS.API.CONSUMER.CREATE."+stream+"."+name, req, nil); err != nil {
		return fmt.Errorf("write consumer %s of stream %s: %w", name, stream, err)
	}
	return nil
}

func (c *Conn) deleteConsumer(ctx context.Context, mine func() error, stream, name string) error {
	err := c.tell(ctx, mine, "$JS.API.CONSUMER.DELETE."+stream+"."+name, nil, nil)
	if err != nil && !hasCode(err, errNoConsumer) && !hasCode(err, errNoStream) {
		return fmt.Errorf("delete consumer %s of stream %s: %w", name, stream, err)
	}
	return nil
}

// reset makes a consumer start at a sequence. Right after a create its leader
// may not be ready: then it is asked again.
func (c *Conn) reset(ctx context.Context, mine func() error, stream, name string, seq uint64) error {
	var err error
	for range 20 {
		err = c.tell(ctx, mine, "$JS.API.CONSUMER.RESET."+stream+"."+name, map[string]uint64{"seq": seq}, nil)
		if err == nil || !hasCode(err, errInvalidReset) {
			break
		}
		if waitErr := sleep(ctx, again); waitErr != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make consumer %s of stream %s start at message %d: %w", name, stream, seq, err)
	}
	return nil
}
