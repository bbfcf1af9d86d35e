package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/segue-run/segue/driver"
)

// hand takes subjects from one stream and gives them to another, with nothing
// between the two requests. If the second one fails, the giver takes the
// subjects back at once. It is used both ways.
func (c *Conn) hand(ctx context.Context, mine func() error, subjects []string, giver, taker *streamInfo) error {
	drop := common(subjects, giver.subjects())
	if len(drop) > 0 {
		if err := c.setSubjects(ctx, mine, giver, minus(giver.subjects(), drop)); err != nil {
			if !refused(err) { // it may have been done all the same
				err = errors.Join(err, c.giveBack(ctx, mine, drop, giver))
			}
			return fmt.Errorf("cut %s: %w", quoted(drop), err)
		}
	}
	if len(minus(subjects, taker.subjects())) == 0 {
		return nil
	}
	if err := c.setSubjects(ctx, mine, taker, union(taker.subjects(), subjects)); err != nil {
		return fmt.Errorf("attach %s: %w", quoted(subjects), errors.Join(err, c.giveBack(ctx, mine, drop, giver)))
	}
	return nil
}

// refused: the request was certainly not carried out.
func refused(err error) bool {
	_, reply := errors.AsType[*replyError](err)
	return reply || errors.Is(err, driver.ErrNotMine)
}

// ownerless says how bad it is that requests to give a space an owner failed:
// one without an answer may have been carried out.
func ownerless(space []string, failed ...error) string {
	for _, err := range failed {
		if !refused(err) {
			return quoted(space) + " MAY HAVE NO OWNER NOW"
		}
	}
	return quoted(space) + " HAS NO OWNER NOW"
}

// giveBack makes the giver own the subjects again, also when ctx was
// cancelled: then it has a moment for it.
func (c *Conn) giveBack(ctx context.Context, mine func() error, subjects []string, giver *streamInfo) error {
	if len(subjects) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
	}
	if err := c.setSubjects(ctx, mine, giver, union(giver.subjects(), subjects)); err != nil {
		return fmt.Errorf("%s, giving it back failed: %w", ownerless(subjects, err), err)
	}
	return nil
}

// stillness waits until a stream, after it dropped subjects, has stored all
// that its leader had taken before, and returns its last sequence then. info
// is the stream as it is now.
func (c *Conn) stillness(ctx context.Context, info *streamInfo) (uint64, error) {
	subject := closedSubject(info.name())
	if has := info.subjects(); len(has) > 0 {
		subject = concrete(has[0])
	}
	if err := c.expectOwner(ctx, subject, info.name()); err != nil {
		return 0, err
	}
	_, last, err := c.fence(ctx, subject)
	if err != nil {
		return 0, err
	}
	settled, err := c.settled(ctx, info.name(), last)
	if err != nil {
		return 0, err
	}
	info.State = settled.State
	return last, nil
}

// finished reports whether a consumer has finished all that its stream holds
// on the subjects, none meaning all: delivered and acknowledged. Only drained
// is not enough, as a consumer's leader learns of messages later than the
// stream's. A consumer that is not there has nothing to finish.
func (c *Conn) finished(ctx context.Context, stream, name string, subjects []string) (bool, *consumerInfo, error) {
	info, err := c.consumer(ctx, stream, name)
	if err != nil || info == nil {
		return info == nil, nil, err
	}
	var last uint64
	for _, s := range narrow(info.filters(), subjects) {
		m, err := c.message(ctx, stream, map[string]any{"last_by_subj": s})
		if err != nil {
			return false, info, err
		}
		if m != nil {
			last = max(last, m.Seq)
		}
	}
	return info.AckFloor.Stream >= last || info.drained() && info.Delivered.Stream >= last, info, nil
}

// narrow lists patterns for what both sets take; an empty set takes all.
func narrow(filters, subjects []string) []string {
	if len(filters) == 0 {
		filters = []string{">"}
	}
	if len(subjects) == 0 {
		return filters
	}
	var out []string
	for _, f := range filters {
		for _, s := range subjects {
			switch {
			case covers(s, f):
				out = append(out, f)
			case covers(f, s):
				out = append(out, s)
			}
		}
	}
	return sorted(out)
}
