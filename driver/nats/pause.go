package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// pause stops a consumer's deliveries until a time, and waits until its
// leader shows it: that can be a moment after the reply.
func (c *Conn) pause(ctx context.Context, mine func() error, stream, name string, until time.Time) error {
	if err := c.pauseUntil(ctx, mine, stream, name, until); err != nil {
		return fmt.Errorf("pause consumer %s of stream %s: %w", name, stream, err)
	}
	err := await(ctx, func() (bool, error) {
		info, err := c.consumer(ctx, stream, name)
		return err == nil && info != nil && info.Paused, err
	})
	if err != nil {
		return fmt.Errorf("%s: wait until consumer %s of stream %s is paused: %w", c, name, stream, err)
	}
	return nil
}

// resume lets a consumer deliver again. A pause that is simply taken away
// does not wake a consumer whose workers are waiting already: nothing is
// delivered to them before the next message or the next pull (nats-server
// 2.15.2). A pause that runs out does wake it, so the pause is made to run out
// soon; "soon" grows until the leader was seen to have heard of it before it
// was over. One that has run out is taken away then.
func (c *Conn) resume(ctx context.Context, mine func() error, stream, name string) error {
	for soon := 50 * time.Millisecond; ; soon *= 2 {
		until := time.Now().Add(soon).UTC().Truncate(time.Microsecond)
		if err := c.pauseUntil(ctx, mine, stream, name, until); err != nil {
			return fmt.Errorf("resume consumer %s of stream %s: %w", name, stream, err)
		}
		armed := false
		err := await(ctx, func() (bool, error) {
			info, err := c.consumer(ctx, stream, name)
			if err != nil || info == nil {
				return true, err
			}
			var shown time.Time
			heard := json.Unmarshal(info.Config["pause_until"], &shown) == nil && shown.Equal(until)
			armed = armed || heard && info.Paused
			return heard && !info.Paused, nil
		})
		if err != nil {
			return fmt.Errorf("%s: wait until consumer %s of stream %s is resumed: %w", c, name, stream, err)
		}
		if armed || soon > callTimeout {
			// It is over; in the configuration it would stay.
			if err := c.pauseUntil(ctx, mine, stream, name, time.Time{}); err != nil {
				return fmt.Errorf("take the pause that ran out from consumer %s of stream %s: %w", name, stream, err)
			}
			return nil
		}
	}
}

// pauseUntil pauses until a time; the zero time is for no pause.
func (c *Conn) pauseUntil(ctx context.Context, mine func() error, stream, name string, until time.Time) error {
	req := map[string]time.Time{}
	if !until.IsZero() {
		req["pause_until"] = until.UTC()
	}
	return c.tell(ctx, mine, "$JS.API.CONSUMER.PAUSE."+stream+"."+name, req, nil)
}
