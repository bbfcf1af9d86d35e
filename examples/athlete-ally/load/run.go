package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// Config says what to send, how fast, and where.
type Config struct {
	Rate     float64
	Seed     uint64
	Duration time.Duration // 0: until the context ends
	Journal  string        // file to append to
	// Status is an address on which the statistics are served, or a file that is
	// written every second; empty for neither.
	Status string
	// Run names the messages of this load; two loads on one system must differ.
	Run         string
	Users       int
	BadShare    float64
	RepeatShare float64

	IngestURL  string
	OuraSecret string
	NATSURL    string

	// Progress gets a line every second.
	Progress func(Stats)
}

func (c Config) check() error {
	switch {
	case !(c.Rate > 0 && c.Rate <= 20000):
		return fmt.Errorf("rate %v: want more than 0 and at most 20000 messages a second", c.Rate)
	case c.Users < 1:
		return fmt.Errorf("users %d: want at least 1", c.Users)
	case c.Run == "" || strings.ContainsAny(c.Run, "| \t\n"):
		return fmt.Errorf("run %q: want a name without spaces", c.Run)
	case event.IsProbe(c.Run):
		return fmt.Errorf("run %q: %s begins the ids of probes, which the ledger counts apart", c.Run, event.ProbePrefix)
	case c.Journal == "":
		return errors.New("a journal is needed: without one nobody can count")
	}
	return nil
}

const (
	laneQueue = 1 << 14
	// finishTime bounds what is still in the lanes at the end.
	finishTime = 15 * time.Second
)

// Run sends until the duration is over or ctx ends, lets the lanes finish, and
// returns the final statistics with the journal safe on disk.
func Run(ctx context.Context, cfg Config) (Stats, error) {
	if err := cfg.check(); err != nil {
		return Stats{}, err
	}
	tgt, err := dial(cfg)
	if err != nil {
		return Stats{}, err
	}
	jnl, err := createJournal(cfg.Journal)
	if err != nil {
		return Stats{}, errors.Join(err, tgt.close())
	}
	if cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Duration)
		defer cancel()
	}
	r := &runner{cfg: cfg, target: tgt, journal: jnl, lanes: map[string]chan *message{}}
	r.stats = newStats(cfg.Rate, time.Now(), r.backlog)
	watch, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatch()
	status, err := r.report(watch)
	if err == nil {
		r.schedule(ctx)
		err = r.finish()
	}
	stopWatch()
	if status != nil {
		err = errors.Join(err, <-status)
	}
	return r.stats.read(time.Now()), errors.Join(err, tgt.close(), jnl.close())
}

type runner struct {
	cfg     Config
	target  *target
	journal *journal
	stats   *stats

	mu      sync.Mutex
	lanes   map[string]chan *message
	running sync.WaitGroup
	abandon context.CancelFunc
}

// schedule hands every message to its lane when it is due.
func (r *runner) schedule(ctx context.Context) {
	sending, abandon := context.WithCancel(context.WithoutCancel(ctx))
	r.abandon = abandon
	plan := newPlan(r.cfg)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(float64(n) / r.cfg.Rate * float64(time.Second)))
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		m := plan.draw()
		m.Due = due.UnixNano()
		select {
		case r.lane(sending, m) <- &m:
		case <-ctx.Done():
			return
		}
	}
}

func (r *runner) lane(ctx context.Context, m message) chan *message {
	r.mu.Lock()
	defer r.mu.Unlock()
	queue, ok := r.lanes[m.Lane]
	if !ok {
		queue = make(chan *message, laneQueue)
		r.lanes[m.Lane] = queue
		sender := r.target.senders[m.Via]
		r.running.Go(func() {
			for m := range queue {
				m.SentAt = time.Now().UnixNano()
				sender.send(ctx, m)
				m.DoneAt = time.Now().UnixNano()
				r.journal.add(m.Record)
				r.stats.add(m.Record)
			}
		})
	}
	return queue
}

// finish lets the lanes send what they hold. After finishTime sends are
// abandoned, and recorded as such.
func (r *runner) finish() error {
	r.mu.Lock()
	for _, queue := range r.lanes {
		close(queue)
	}
	r.mu.Unlock()
	timer := time.AfterFunc(finishTime, r.abandon)
	r.running.Wait()
	r.abandon()
	if !timer.Stop() {
		return fmt.Errorf("the lanes were not empty after %s", finishTime)
	}
	return nil
}

func (r *runner) backlog() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, queue := range r.lanes {
		n += len(queue)
	}
	return n
}
