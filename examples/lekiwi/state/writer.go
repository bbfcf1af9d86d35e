package state

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

const (
	// maxBatch bounds a transaction, maxQueue what waits for one, in events.
	maxBatch = 5000
	maxQueue = 50_000
	// retryEvery is how often what was answered already is tried again while
	// the database is away, and flushTime how long at the end.
	retryEvery = 200 * time.Millisecond
	flushTime  = 8 * time.Second
)

var (
	errFull   = errors.New("too many events wait for the database")
	errClosed = errors.New("the service ends")
)

// submission is some events and who waits for them.
type submission struct {
	events []robot.Event
	// done takes one result; nil where nobody waits: then it is kept until it is
	// written.
	done chan result
}

type result struct {
	outcomes []outcome
	err      error
}

// writer writes what was submitted, whatever there is at a time.
type writer struct {
	store   *store
	written func(context.Context, written) // before those who wait are answered
	log     *slog.Logger
	flush   time.Duration // how long it tries at the end
	away    atomic.Bool   // the last try has failed
	batches atomic.Int64

	mu     sync.Mutex
	queue  []submission
	size   int
	closed bool
	wake   chan struct{}
}

func newWriter(s *store, flush time.Duration, log *slog.Logger, done func(context.Context, written)) *writer {
	return &writer{store: s, flush: flush, log: log, written: done, wake: make(chan struct{}, 1)}
}

// wait submits events and returns when they are committed.
func (w *writer) wait(ctx context.Context, events []robot.Event) ([]outcome, error) {
	done := make(chan result, 1)
	if err := w.submit(submission{events, done}); err != nil {
		return nil, err
	}
	select {
	case a := <-done:
		return a.outcomes, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// behind submits events that are written some time.
func (w *writer) behind(events []robot.Event) error { return w.submit(submission{events, nil}) }

func (w *writer) submit(s submission) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return errClosed
	case w.size+len(s.events) > maxQueue:
		return errFull
	}
	w.queue = append(w.queue, s)
	w.size += len(s.events)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// pending is how many events wait.
func (w *writer) pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

// run writes until ctx ends; then it takes nothing more, writes what is left,
// and returns. It says how many events were answered and could not be written.
func (w *writer) run(ctx context.Context) (lost int) {
	// What is written at the end must not end with ctx.
	work := context.WithoutCancel(ctx)
	var giveUp time.Time
	for {
		batch := w.take()
		if batch == nil {
			if !giveUp.IsZero() {
				return 0
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
				giveUp = w.close()
			}
			continue
		}
		if w.write(work, batch) {
			continue
		}
		select {
		case <-ctx.Done():
			if giveUp.IsZero() {
				giveUp = w.close()
			}
			if time.Now().After(giveUp) {
				return w.pending()
			}
			time.Sleep(retryEvery)
		case <-time.After(retryEvery):
		}
	}
}

func (w *writer) close() (giveUp time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return time.Now().Add(w.flush)
}

// take takes the oldest submissions, together of maxBatch events if there are
// several.
func (w *writer) take() []submission {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, events := 0, 0
	for n < len(w.queue) && (n == 0 || events+len(w.queue[n].events) <= maxBatch) {
		events += len(w.queue[n].events)
		n++
	}
	if n == 0 {
		return nil
	}
	batch := w.queue[:n:n]
	w.queue = w.queue[n:]
	w.size -= events
	return batch
}

// write writes a batch. Where the database is away, who waits is told so, and
// what nobody waits for goes back to the head of the queue: then it is false.
func (w *writer) write(ctx context.Context, batch []submission) (ok bool) {
	var events []robot.Event
	for _, s := range batch {
		events = append(events, s.events...)
	}
	outcomes, err := w.append(ctx, events)
	if err != nil {
		if !w.away.Swap(true) {
			w.log.Warn("the database is away", "error", err)
		}
		w.giveBack(batch, err)
		return false
	}
	if w.away.Swap(false) {
		w.log.Info("the database is back")
	}
	w.batches.Add(1)
	for _, s := range batch {
		own := outcomes[:len(s.events)]
		outcomes = outcomes[len(s.events):]
		if s.done != nil {
			s.done <- result{outcomes: own}
			continue
		}
		for i, o := range own {
			if o.refused != nil { // its sender was told that it is kept
				w.log.Error("an event is lost: the database does not take it", "robot", s.events[i].RobotID, "error", o.refused)
			}
		}
	}
	return true
}

func (w *writer) giveBack(batch []submission, err error) {
	var kept []submission
	size := 0
	for _, s := range batch {
		if s.done != nil {
			s.done <- result{err: err}
			continue
		}
		kept = append(kept, s)
		size += len(s.events)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(kept, w.queue...)
	w.size += size
}

// append writes events. If the database refuses one for what it holds, the
// others are written without it.
func (w *writer) append(ctx context.Context, events []robot.Event) ([]outcome, error) {
	done, err := w.store.append(ctx, events)
	switch {
	case err == nil:
		w.written(ctx, done)
		return done.outcomes, nil
	case !database.Refuses(err):
		return nil, err
	case len(events) == 1:
		return []outcome{{refused: err}}, nil
	}
	half := len(events) / 2
	first, err := w.append(ctx, events[:half])
	if err != nil {
		return nil, err
	}
	second, err := w.append(ctx, events[half:])
	return append(first, second...), err
}
