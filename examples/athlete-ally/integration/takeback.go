package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

const (
	// settleWithin is how long it is waited for what normalize still has in
	// hand. What comes after finds its message gone.
	settleWithin = 2 * time.Second
	// lastLook is between the last message that was taken back and the last
	// look for rows: a worker may have had it in hand.
	lastLook = 300 * time.Millisecond
)

// takeBack removes whatever carries this run's mark: messages first, so that no
// row follows; then rows and effects. It returns what could not be taken back, by
// test.
func (b *bench) takeBack(ctx context.Context, probes []*probe) map[int]string {
	unsettled := b.finish(ctx, probes)
	err := b.sweep(ctx, probes)
	if err == nil {
		err = b.deleteRows(ctx)
	}
	if err == nil && unsettled {
		pause(ctx, lastLook)
		err = errors.Join(b.sweep(ctx, probes), b.deleteRows(ctx))
	}
	if err == nil {
		return nil
	}
	left := map[int]string{}
	for i, p := range probes {
		if p != nil && p.n > 0 {
			left[i] = err.Error()
		}
	}
	return left
}

// finish waits until normalize is done with what was sent, and tells whether it
// is not.
func (b *bench) finish(ctx context.Context, probes []*probe) (unsettled bool) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, p := range probes {
		if p == nil {
			continue
		}
		for _, at := range p.sent {
			if b.settled.of(at) == answeredNak {
				unsettled = true // and will be as long as it is there
				continue
			}
			group.Go(func() error { return b.awaitSettled(ctx, at) })
		}
	}
	return group.Wait() != nil || unsettled
}

// sweep deletes the run's messages from every stream. What was acknowledged is
// deleted where it was said to be; the rest, such as dead letters and what was
// stored while nobody was told, is looked for.
func (b *bench) sweep(ctx context.Context, probes []*probe) error {
	now, err := b.lastSequences(ctx)
	if err != nil {
		return err
	}
	known := map[string]map[uint64]bool{}
	for _, p := range probes {
		if p == nil {
			continue
		}
		for _, at := range p.sent {
			if known[at.stream] == nil {
				known[at.stream] = map[uint64]bool{}
			}
			known[at.stream][at.seq] = true
		}
	}
	var group errgroup.Group
	for name, last := range now {
		group.Go(func() error {
			found, err := b.marked(ctx, name, b.began[name]+1, last)
			if err != nil {
				return fmt.Errorf("look for what is left in %s: %w", name, err)
			}
			for seq := range known[name] {
				found[seq] = true
			}
			for seq := range found {
				if err := b.deleteMessage(ctx, name, seq); err != nil && !errors.Is(err, errGone) {
					return fmt.Errorf("take back message %d of %s: %w", seq, name, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// marked finds this run's messages between two sequences.
func (b *bench) marked(ctx context.Context, name string, from, to uint64) (map[uint64]bool, error) {
	found := map[uint64]bool{}
	err := b.scan(ctx, name, from, to, func(seq uint64, h nats.Header) {
		if b.marks(h) {
			found[seq] = true
		}
	})
	return found, err
}

// marks tells whether a message is of this run: sent by it, or its dead letter.
func (b *bench) marks(h nats.Header) bool { return strings.HasPrefix(messageID(h), b.mark) }

func messageID(h nats.Header) string {
	if id := h.Get(event.HeaderMessageID); id != "" {
		return id
	}
	return h.Get(nats.MsgIdHdr)
}

// deleteMessage looks before it deletes: a stream may have been made anew.
func (b *bench) deleteMessage(ctx context.Context, name string, seq uint64) error {
	stream, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return errGone
	}
	if err != nil {
		return err
	}
	m, err := stream.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && !b.marks(m.Header) {
		return errGone
	}
	if err != nil {
		return err
	}
	err = stream.DeleteMsg(ctx, seq)
	if err != nil {
		if _, again := stream.GetMsg(ctx, seq); errors.Is(again, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	return err
}

func (b *bench) deleteRows(ctx context.Context) error {
	for _, sql := range []string{
		"DELETE FROM hrv_data WHERE starts_with(user_id, $1)",
		"DELETE FROM vendor_events WHERE starts_with(event_id, $1) OR starts_with(user_id, $1)",
		"DELETE FROM normalize_effects WHERE starts_with(message_id, $1)",
	} {
		if _, err := b.db.Exec(ctx, sql, b.mark); err != nil {
			return fmt.Errorf("take back rows of %s: %w", strings.Fields(sql)[2], err)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
