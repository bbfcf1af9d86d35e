package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// publisher publishes with acknowledgements until stopped, and retries; what
// was acknowledged must be stored.
type publisher struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	acked  int
	worst  time.Duration
}

func (b *bench) publisher(subject, id string) *publisher {
	ctx, cancel := context.WithCancel(b.t.Context())
	p := &publisher{cancel: cancel}
	js := shared.JetStream(b.t)
	p.done.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			start := time.Now()
			for ctx.Err() == nil {
				one, stop := context.WithTimeout(ctx, 500*time.Millisecond)
				_, err := js.Publish(one, subject, fmt.Appendf(nil, "%s-%d", id, n), jetstream.WithMsgID(fmt.Sprintf("%s-%d", id, n)), jetstream.WithRetryWait(time.Millisecond), jetstream.WithRetryAttempts(100))
				stop()
				if err == nil {
					p.acked = n + 1
					break
				}
			}
			p.worst = max(p.worst, time.Since(start))
		}
	})
	return p
}

func (p *publisher) stop() { p.cancel(); p.done.Wait() }

// stored counts each payload in both streams.
func (p *topology) stored() map[string]int {
	out := map[string]int{}
	for _, name := range []string{p.from, p.to} {
		info := p.info(name)
		for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
			m, err := p.c.message(p.t.Context(), name, map[string]any{"seq": seq})
			if err != nil {
				p.t.Fatal(err)
			}
			if m != nil {
				out[string(m.Data)]++
			}
		}
	}
	return out
}

// worker acknowledges what durables deliver, on both streams.
func (p *topology) workers() (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var done sync.WaitGroup
	for _, name := range []string{p.from, p.to} {
		done.Go(func() {
			for ctx.Err() == nil {
				// A question about a consumer that is being created can stay
				// unanswered.
				soon, stop := context.WithTimeout(ctx, 200*time.Millisecond)
				c, err := p.js.Consumer(soon, name, "normalize-oura")
				stop()
				if err != nil {
					_ = sleep(ctx, 20*time.Millisecond)
					continue
				}
				msgs, err := c.Fetch(100, jetstream.FetchMaxWait(100*time.Millisecond))
				if err != nil {
					continue
				}
				for m := range msgs.Messages() {
					_ = m.Ack()
				}
			}
		})
	}
	return func() { cancel(); done.Wait() }
}

// From every boundary: crash there, as a process that dies, then undo as the
// next one, under a publisher. Nothing that was acknowledged may be lost.
func TestMoveIsUndoneFromEverySubStepUnderLoad(t *testing.T) {
	b := newBench(t)
	for n := 1; ; n++ {
		p := newTopology(b)
		stopWorkers := p.workers()
		pub := b.publisher(p.oura(), p.vendor)
		a := p.action()
		e := b.effect(a)
		before := e.Before
		dead := false
		var cursor json.RawMessage
		passed := 0
		boundary := func() error {
			if passed++; passed >= n {
				dead = true
				return driver.ErrNotMine
			}
			return nil
		}
		e.Mine = boundary
		e.Save = func(_ context.Context, c any) error {
			if err := boundary(); err != nil {
				return err
			}
			cursor = compact(c)
			return nil
		}
		_, err := a.Apply(t.Context(), e)
		if !dead && err != nil {
			t.Fatal(err)
		}
		e.Cursor, e.Mine, e.Save = cursor, read, func(context.Context, any) error { return nil }
		start := time.Now()
		if err := p.action().Undo(t.Context(), e); err != nil {
			if _, kept := errors.AsType[*driver.Kept](err); !kept {
				t.Fatalf("undo after boundary %d: %v", n, err)
			}
			t.Logf("boundary %d: %v", n, err)
		}
		took := time.Since(start)
		if err := a.(driver.Witness).Witness(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		pub.stop()
		stopWorkers()
		found := p.stored()
		lost := 0
		for i := range pub.acked {
			if found[fmt.Sprintf("%s-%d", p.vendor, i)] == 0 {
				lost++
			}
		}
		t.Logf("boundary %d: undo took %s, %d acknowledged, %d lost, worst publish %s", n, took.Round(time.Millisecond), pub.acked, lost, pub.worst.Round(time.Millisecond))
		if lost > 0 || pub.acked == 0 {
			t.Fatalf("boundary %d: %d of %d acknowledged messages are in neither stream", n, lost, pub.acked)
		}
		now, err := p.action().Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := state.Drift(state.Face(before), state.Face(now)); len(d) > 0 {
			t.Fatalf("undo after boundary %d left %v", n, d)
		}
		if !dead {
			return
		}
	}
}

// A failure between the halves gives the subject back at once, or says that
// it could not, or does not know: after a cancel there is only a moment for it.
func TestMoveGivesTheSubjectBackWhenItCannotAttach(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	from, to := b.info(p.from), b.info(p.to)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := b.c.hand(ctx, func() error {
		if n++; n == 2 {
			cancel()
		}
		return nil
	}, []string{p.vendor + ".>"}, from, to)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	owned := b.c.expectOwner(t.Context(), p.vendor+".x", p.from)
	switch {
	case strings.Contains(err.Error(), "MAY HAVE NO OWNER"):
	case strings.Contains(err.Error(), "HAS NO OWNER") == (owned == nil):
		t.Fatalf("it says %v, and the world %v", err, owned)
	}
}

// Only a server that refuses is known not to have given the subject an owner.
func TestOwnerlessIsSaidToBeWhatIsKnown(t *testing.T) {
	no, silent := &replyError{}, context.DeadlineExceeded
	for _, c := range []struct {
		failed []error
		want   string
	}{
		{[]error{no}, "HAS NO OWNER"},
		{[]error{no, no}, "HAS NO OWNER"},
		{[]error{silent}, "MAY HAVE NO OWNER"},
		{[]error{silent, no}, "MAY HAVE NO OWNER"},
	} {
		if said := ownerless([]string{"vendor.>"}, c.failed...); said != "vendor.> "+c.want+" NOW" {
			t.Errorf("of %v it says %s", c.failed, said)
		}
	}
}
