package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
)

// process-compose (1.64.1) can stop, change and start a process in one call,
// and must not be asked to: when the old process ends faster than the call gets
// ready to wait for it, the call fails and the process is gone from the project
// for good; and the end of the old one may take the new one off the books. So a
// replica is stopped first, and changed when process-compose has let go of it.

// handOver is how long a cancelled caller waits for what it has begun.
const handOver = 50 * time.Millisecond

// begun runs work on a replica that is not to be left half-way: it goes on when
// the caller's context ends, within its own deadline. Who looks at the replica
// meanwhile waits for it (see settle).
func (c *Conn) begun(ctx context.Context, name string, limit time.Duration, work func(context.Context) error) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	done := make(chan struct{})
	c.mu.Lock()
	if c.busy == nil {
		c.busy = map[string]chan struct{}{}
	}
	c.busy[name] = done
	c.mu.Unlock()
	var failed error
	go func() {
		defer close(done)
		own, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), limit, fmt.Errorf("not within %s", limit))
		defer cancel()
		failed = work(own)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.busy, name)
	}()
	select {
	case <-done:
		return failed
	case <-ctx.Done():
	}
	late := time.NewTimer(handOver)
	defer late.Stop()
	select {
	case <-done:
		return failed
	case <-late.C:
		return fmt.Errorf("%w while it was being replaced", context.Cause(ctx))
	}
}

// settle waits for what a cancelled caller has left in the making.
func (c *Conn) settle(ctx context.Context) error {
	for {
		c.mu.Lock()
		var one chan struct{}
		for _, done := range c.busy {
			one = done
		}
		c.mu.Unlock()
		if one == nil {
			return ctx.Err()
		}
		select {
		case <-one:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// replace stops a replica and starts it with another definition. A lease lost
// in between leaves it stopped, for the successor to see; an end of ctx does
// not.
func (c *Conn) replace(ctx context.Context, mine func() error, name string, old, next definition) error {
	return c.put(ctx, mine, name, old, next.released(), true)
}

// startAgain starts a stopped replica as it is. It is an update all the same:
// with it the replica's log begins anew, so that who reads it does not take its
// predecessor's word for its own.
func (c *Conn) startAgain(ctx context.Context, mine func() error, name string, d definition) error {
	return c.replace(ctx, mine, name, d, d.renewed())
}

// hold gives a replica another definition and leaves it stopped. process-compose
// starts what it updates unless that is disabled; the definition says so then.
func (c *Conn) hold(ctx context.Context, mine func() error, name string, old, next definition) error {
	return c.put(ctx, mine, name, old, next.held(), false)
}

func (c *Conn) put(ctx context.Context, mine func() error, name string, old, next definition, run bool) error {
	if err := mine(); err != nil {
		return err
	}
	return c.begun(ctx, name, c.endTime(old)+3*c.timeout, func(ctx context.Context) error {
		if err := c.halt(ctx, name, old); err != nil { // also of one that has ended: its status is ahead of the books
			return err
		}
		if err := mine(); errors.Is(err, driver.ErrNotMine) {
			return err
		}
		if err := c.update(ctx, next); err != nil || !run || !next.deferred() {
			return err
		}
		return c.start(ctx, name)
	})
}

// takeDown stops a replica.
func (c *Conn) takeDown(ctx context.Context, mine func() error, name string, d definition) error {
	if err := mine(); err != nil {
		return err
	}
	return c.begun(ctx, name, c.endTime(d)+c.timeout, func(ctx context.Context) error { return c.halt(ctx, name, d) })
}

// endTime is how long a replica may take to end.
func (c *Conn) endTime(d definition) time.Duration { return max(d.shutdownTime(), c.timeout) }

// halt stops a replica and returns when process-compose has let go of it. The
// answer to stop is not waited for: it comes late if the replica ends early.
func (c *Conn) halt(ctx context.Context, name string, d definition) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.status(ctx, name)
	if err != nil {
		return err
	}
	if !s.stopped() { // else it might arrive after what follows
		go func() { _ = c.stop(ctx, name, d.shutdownTime()) }()
	}
	return await(ctx, c.endTime(d)+time.Second, func(ctx context.Context) error {
		s, err := c.status(ctx, name)
		if err != nil {
			return err
		}
		if !s.stopped() {
			return fmt.Errorf("it was asked to end and is %s", s)
		}
		err = c.stop(ctx, name, 0)
		if refused, ok := errors.AsType[*answerError](err); ok && strings.Contains(refused.reason, "is not running") {
			return nil
		}
		if err == nil {
			err = errors.New("it has ended and process-compose still holds it for running")
		}
		return err
	})
}
