package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/journal"
)

const (
	// A notice that fails is tried again after firstWait, and then after twice
	// that, up to longestWait; in all mostTries times, which is an hour.
	firstWait   = time.Second
	longestWait = time.Minute
	mostTries   = 65
	// After this many tries in a row what comes behind has its turn: one notice
	// that a receiver cannot bear must not hold up the others.
	inARow = 5
)

// A job is a letter on its way.
type job struct {
	letter
	fill func(context.Context, *driver.Notice) // its text, made when it is first sent; nil: it is there
	done journal.Delivery                      // what is known of it
}

// A lane delivers to one receiver, one after the other.
type lane struct {
	p      *Post
	mu     sync.Mutex
	queue  []*job // the head of it is tried, or waits to be
	trying *job
	thread string // run's own
	more   chan struct{}
}

func newLane(p *Post, thread string) *lane {
	return &lane{p: p, thread: thread, more: make(chan struct{}, 1)}
}

// add puts a job at the end. A regular update takes the place of those before
// it that wait; what is known of these it returns.
func (l *lane) add(j *job) (overtaken []journal.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.isUpdate() {
		l.queue = slices.DeleteFunc(l.queue, func(old *job) bool {
			goes := old.isUpdate() && old != l.trying
			if goes {
				overtaken = append(overtaken, old.done)
			}
			return goes
		})
	}
	l.queue = append(l.queue, j)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return overtaken
}

// left is how many letters are still to be delivered.
func (l *lane) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// run delivers until ctx ends.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		head, wait := l.next(time.Now())
		if head != nil {
			l.try(ctx, head)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.more:
		case <-t.C:
		}
		t.Stop()
	}
}

// next is the head of the queue, if it is to be tried now, and else how long to
// wait for what.
func (l *lane) next(now time.Time) (*job, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil, longestWait
	}
	if wait := l.queue[0].done.Next.Sub(now); wait > 0 {
		return nil, wait
	}
	l.trying = l.queue[0]
	return l.trying, 0
}

// try sends the head of the queue once and keeps what became of it.
func (l *lane) try(ctx context.Context, j *job) {
	if j.fill != nil {
		j.fill(ctx, &j.Notice)
		j.fill = nil
	}
	thread, err := l.p.tell(ctx, j.letter, l.thread)
	if ctx.Err() != nil && err != nil {
		return // it was interrupted: nothing is known of it
	}
	d := &j.done
	d.At, d.Next, d.Error = time.Now(), time.Time{}, ""
	d.Tries++
	var un *driver.Undelivered
	switch {
	case err == nil:
		d.Delivered, d.Thread = true, thread
	case errors.As(err, &un) && un.Never:
		d.Error = l.p.secrets().Redact(err.Error())
	case d.Tries >= mostTries:
		d.Error = l.p.secrets().Redact(fmt.Sprintf("given up after %d tries: %v", d.Tries, err))
	default:
		d.Error = l.p.secrets().Redact(err.Error())
		wait := backoff(d.Tries)
		if un != nil {
			wait = max(wait, un.After)
		}
		d.Next = d.At.Add(wait)
	}
	l.p.keep(ctx, *d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trying = nil
	switch {
	case d.Next.IsZero():
		l.queue = l.queue[1:]
		if d.Delivered && l.thread == "" {
			l.thread = thread
		}
	case d.Tries%inARow == 0 && len(l.queue) > 1:
		l.queue = append(l.queue[1:], j)
	}
}

// backoff is how long to wait after a number of tries.
func backoff(tries int) time.Duration {
	wait := firstWait
	for range tries - 1 {
		if wait *= 2; wait >= longestWait {
			return longestWait
		}
	}
	return wait
}

// pause waits; it returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
