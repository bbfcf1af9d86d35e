// Package intake gets heartbeats to the state-manager, many at a time.
//
// One request is under way at a time, with all that came while the one before
// was; so the more comes, the larger the batches, and the heartbeats of one
// robot keep their order. While no state-manager is available it tries again,
// for as long as a client can be asked to wait.
package intake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

const (
	maxBatch = api.MaxBatch
	maxQueue = 50_000
	// patience is how long one waits for a state-manager.
	patience   = 3 * time.Second
	retryEvery = 100 * time.Millisecond
)

// ErrUnavailable says that a heartbeat was not kept, or that nobody knows. It
// may be sent again.
var ErrUnavailable = errors.New("heartbeats are not taken now")

// Result is what became of an event.
type Result struct {
	Durable bool
	// Err is an *robot.InvalidError where it can never be kept, else wraps
	// ErrUnavailable.
	Err error
}

type item struct {
	event robot.Event
	since time.Time
	done  func(Result)
}

// Intake takes events.
type Intake struct {
	state *stateclient.Client
	log   *slog.Logger

	mu     sync.Mutex
	queue  []item
	wake   chan struct{}
	closed bool
}

// New makes an Intake; Run must be called.
func New(state *stateclient.Client, log *slog.Logger) *Intake {
	return &Intake{state: state, log: log, wake: make(chan struct{}, 1)}
}

// Event is a heartbeat as an event that a server has heard at a time. The
// heartbeat is brought into form.
func Event(h *api.Heartbeat, at time.Time) (robot.Event, error) {
	if err := h.Normalize(); err != nil {
		return robot.Event{}, err //nolint:wrapcheck // it names the field
	}
	key := robot.HeartbeatKey(h.MessageID, h.Record)
	if key == "" {
		var raw [16]byte
		_, _ = rand.Read(raw[:]) // it never fails
		key = hex.EncodeToString(raw[:])
	}
	return robot.Event{Key: key, RobotID: h.ID, Kind: robot.Heartbeat, At: robot.At(at), Record: &h.Record}, nil
}

// Add takes an event and calls done when it is known what became of it. Events
// are answered in the order in which they were added; done must not block.
func (in *Intake) Add(e robot.Event, done func(Result)) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || len(in.queue) >= maxQueue {
		return fmt.Errorf("%w: too many wait, or the service ends", ErrUnavailable)
	}
	in.queue = append(in.queue, item{e, time.Now(), done})
	select {
	case in.wake <- struct{}{}:
	default:
	}
	return nil
}

// Take is for sockets.
func (in *Intake) Take(h api.Heartbeat, done func(error)) {
	e, err := Event(&h, time.Now())
	if err == nil {
		err = in.Add(e, func(r Result) { done(r.Err) })
	}
	if err != nil {
		done(err)
	}
}

// Wait takes events and returns when it is known what became of each.
func (in *Intake) Wait(ctx context.Context, events ...robot.Event) ([]Result, error) {
	results := make([]Result, len(events))
	var left sync.WaitGroup
	for i, e := range events {
		left.Add(1)
		if err := in.Add(e, func(r Result) { results[i] = r; left.Done() }); err != nil {
			left.Done()
			return nil, err
		}
	}
	all := make(chan struct{})
	go func() { left.Wait(); close(all) }()
	select {
	case <-all:
		return results, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// Pending is how many events wait.
func (in *Intake) Pending() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue)
}

// Run brings what was added to the state-manager until ctx ends and nothing is
// left; from then on Add refuses.
func (in *Intake) Run(ctx context.Context) {
	work := context.WithoutCancel(ctx)
	for {
		batch := in.take()
		if len(batch) == 0 {
			select {
			case <-in.wake:
				continue
			case <-ctx.Done():
			}
			if in.close() {
				return
			}
			continue
		}
		in.deliver(work, batch)
	}
}

// close refuses what comes from now on, and says whether nothing is left.
func (in *Intake) close() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	return len(in.queue) == 0
}

func (in *Intake) take() []item {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := min(maxBatch, len(in.queue))
	batch := in.queue[:n:n]
	if in.queue = in.queue[n:]; len(in.queue) == 0 {
		in.queue = nil // lets go of what was there
	}
	return batch
}

// deliver brings a batch, and answers each of it.
func (in *Intake) deliver(ctx context.Context, batch []item) {
	events := make([]robot.Event, len(batch))
	for i, it := range batch {
		events[i] = it.event
	}
	ctx, cancel := context.WithDeadline(ctx, batch[0].since.Add(patience))
	defer cancel()
	got, err := in.try(ctx, events)
	if err != nil {
		in.log.Warn("heartbeats were not kept", "count", len(batch), "error", err)
		for _, it := range batch {
			it.done(Result{Err: fmt.Errorf("%w: %w", ErrUnavailable, err)})
		}
		return
	}
	rejected := map[int]error{}
	for _, r := range got.Rejected {
		rejected[r.Index] = &robot.InvalidError{Field: r.Field, Why: r.Error}
	}
	for i, it := range batch {
		it.done(Result{Durable: got.Durable, Err: rejected[i]})
	}
}

func (in *Intake) try(ctx context.Context, events []robot.Event) (api.Appended, error) {
	for {
		got, err := in.state.Append(ctx, events)
		if err == nil || !errors.Is(err, stateclient.ErrUnavailable) {
			return got, err //nolint:wrapcheck // the caller says what it was for
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return got, err //nolint:wrapcheck // as above
		}
	}
}
