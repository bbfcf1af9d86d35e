package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver/nats/relay"
)

// A crossing takes a space of subjects from one stream, the giver, to another,
// the taker, with nothing lost, doubled or reordered. A handover is one from
// the old stream to the new one; its undo is one the other way.
//
//	copy       the taker sources the giver's messages of the space
//	gather     both streams are led from one server, and the relay listens there
//	align      the relay proves that it hears what the giver stores
//	cut        the giver drops the space; nobody owns it now
//	carry      what the giver did not take is forwarded to the taker's prefix
//	attach     the taker takes the space
//	reconcile  every message that was heard is in one of them, once
//	settle     the taker has neither prefix, transform nor source any more
type crossing struct {
	c            *Conn
	giver, taker string
	space        []string // patterns, sorted
	// start is the giver's first message that the taker is to copy.
	start uint64
	// fresh: the taker had no subjects, so that its duplicate window can be 0
	// while it copies: history with a Nats-Msg-Id that was used again would be
	// dropped.
	fresh bool
	// window is the taker's duplicate window, when it is not copying.
	window json.RawMessage
	mine   func() error

	hooks *hooks
}

// hooks let tests look on and interfere; nil otherwise.
type hooks struct {
	reached func(subStep string)
	publish func(publish func(*nats.Msg) error, m *nats.Msg) error
}

func (x *crossing) reached(subStep string) {
	if x.hooks != nil && x.hooks.reached != nil {
		x.hooks.reached(subStep)
	}
}

// A leg is how far a crossing has come, as it is journaled.
type leg struct {
	At string `json:"at"` // the sub-step that is done
	// Start is the giver's first message that is copied.
	Start uint64 `json:"start,omitempty"`
	// Before is the taker's last sequence before the cut.
	Before uint64 `json:"before,omitempty"`
	// Held is what the taker held of the space before it copied, by subject.
	Held map[string]uint64 `json:"held"`
	// Since is the taker's sequence from which on all that it holds of the giver
	// are this crossing's copies; 0 if that is not known. Its own limits may have
	// let go of what Held counts, and of the first copies.
	Since uint64 `json:"since,omitempty"`
	// First is the giver's first sequence then.
	First uint64 `json:"first,omitempty"`
	// Cut is the taker's last message that is the giver's; what follows in the
	// space was published to the taker.
	Cut uint64 `json:"cut,omitempty"`
	// End is the giver's last sequence once it had dropped the space.
	End uint64 `json:"end,omitempty"`
	// Strays is where messages lie in the taker that were carried to it before it
	// could not be attached: the giver lacks them.
	Strays *stretch `json:"strays,omitempty"`
	// Interrupted is what the ledger says of a gap that ended with the giver.
	Interrupted string          `json:"interrupted,omitempty"`
	Window      json.RawMessage `json:"window,omitempty"` // the taker's duplicate window, as it was
	// Ownerless is for how long nobody owned the space, in milliseconds.
	Ownerless float64       `json:"ownerless_ms,omitempty"`
	Ledger    *relay.Ledger `json:"ledger,omitempty"`
}

// A stretch is a range of sequences, both ends included.
type stretch struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// The sub-steps that are journaled. Between cutting and attached nothing is:
// an append may take as long as the whole gap. A crash there is told apart by
// who owns the space.
const (
	atCopying    = "copying"
	atCopied     = "copied"
	atCutting    = "cutting"
	atAttached   = "attached"
	atReconciled = "reconciled"
	atSettled    = "settled"
)

var legOrder = []string{"", atCopying, atCopied, atCutting, atAttached, atReconciled, atSettled}

func (l *leg) past(at string) bool {
	return slices.Index(legOrder, l.At) >= slices.Index(legOrder, at)
}

// prefix is the private space through which the relay reaches the taker.
func (x *crossing) prefix() string { return "_segue.relay." + x.taker }

// cross carries the crossing out from where leg says it is, and saves each
// sub-step.
func (x *crossing) cross(ctx context.Context, l *leg, save func(context.Context) error) error {
	if err := x.adopt(ctx, l); err != nil {
		return err
	}
	for try := 1; !l.past(atAttached); {
		if l.At == atCutting {
			if err := x.recover(ctx, l); err != nil {
				return err
			}
			if err := save(ctx); err != nil {
				return err
			}
			continue
		}
		err := x.approach(ctx, l, save)
		if _, again := errors.AsType[*givenBack](err); err != nil && (!again || try == approaches || ctx.Err() != nil) {
			return err
		}
		try++
	}
	if !l.past(atReconciled) {
		if err := x.reconcileBlind(ctx, l); err != nil {
			return err
		}
		if err := x.done(ctx, l, atReconciled, save); err != nil {
			return err
		}
	}
	if !l.past(atSettled) {
		if err := x.settle(ctx); err != nil {
			return err
		}
		return x.done(ctx, l, atSettled, save)
	}
	return nil
}

// approaches are how often at most a crossing is begun in which the giver gets
// the space back.
const approaches = 3

// approach is the way up to the taker's owning the space.
func (x *crossing) approach(ctx context.Context, l *leg, save func(context.Context) error) error {
	if err := x.begin(ctx, l); err != nil {
		return err
	}
	if err := x.done(ctx, l, atCopying, save); err != nil {
		return err
	}
	if err := x.copy(ctx, l); err != nil {
		return err
	}
	if err := x.done(ctx, l, atCopied, save); err != nil {
		return err
	}
	return x.handOver(ctx, l, save)
}

// handOver is the part that lives in one process: the relay's memory does not
// survive it.
func (x *crossing) handOver(ctx context.Context, l *leg, save func(context.Context) error) error {
	g, err := x.gather(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	x.reached("gathered")
	if err := x.align(ctx, g); err != nil {
		return err
	}
	x.reached("aligned")
	if err := x.brace(ctx, g, l); err != nil {
		return err
	}
	l.At = atCutting
	if err := save(ctx); err != nil {
		return err
	}
	x.reached(atCutting)
	// What has begun is ended, even when it is cancelled: only the loss of the
	// lease stops it.
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), gapTimeout)
	defer cancel()
	if err := x.gap(short, g, l); err != nil {
		return err
	}
	if err := x.done(ctx, l, atAttached, save); err != nil {
		return err
	}
	if l.Ledger != nil { // the relay was lost: what is left is done without it
		return nil
	}
	if err := x.reconcile(ctx, g, l); err != nil {
		return err
	}
	return x.done(ctx, l, atReconciled, save)
}

// done journals a sub-step.
func (x *crossing) done(ctx context.Context, l *leg, at string, save func(context.Context) error) error {
	l.At = at
	x.reached(at)
	return save(ctx)
}

// gapTimeout is for the way from cut to attach with all its attempts, a change
// of leaders included.
const gapTimeout = 10 * time.Second

// owner is the stream that owns the space: the giver, the taker, or "".
func (x *crossing) owner(ctx context.Context) (string, error) {
	for _, name := range []string{x.taker, x.giver} {
		info, err := x.c.stream(ctx, name)
		if err != nil {
			return "", err
		}
		if info == nil {
			return "", fmt.Errorf("%s: stream %s is gone", x.c, name)
		}
		if len(minus(x.space, info.subjects())) == 0 {
			return name, nil
		}
	}
	return "", nil
}

// adopt gives the space an owner, if a crash has left it without.
func (x *crossing) adopt(ctx context.Context, l *leg) error {
	owner, err := x.owner(ctx)
	if err != nil || owner != "" {
		return err
	}
	to := x.giver
	if l.past(atCutting) {
		// Once something was carried to the taker it has all that was the giver's.
		// Before that it may lack some of it, which would come after what it takes.
		x.start = l.Start
		carried, err := x.strays(ctx, l)
		if err != nil || len(carried) > 0 || l.past(atAttached) {
			to = x.taker
			x.linger(ctx)
		} else {
			l.Interrupted = "the process that had cut the subjects off died before it had carried anything" + unwaited
		}
	}
	if err := x.own(ctx, to); err != nil {
		if owner, look := x.owner(ctx); owner != "" && look == nil {
			return nil // what the process that died had asked for has come after all
		}
		return fmt.Errorf("%s, giving it to stream %s failed: %w", ownerless(x.space, err), to, err)
	}
	return nil
}
