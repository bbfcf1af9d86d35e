package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
)

// A loop is one process's time with a run. Only its own goroutine touches
// state, seq and flights.
type loop struct {
	r     *Runner
	id    string
	actor string
	lease *lease
	key   []byte // of the digests in public faces

	rb      *runbook.Runbook
	state   *engine.State
	seq     int64
	world   *world
	flights map[string]*flight
	news    chan news
	ctx     context.Context // ends with the loop: everything beside it stops
	beside  sync.WaitGroup
	stored  []journal.Reading
}

// open takes the lease and folds the journal.
func (r *Runner) open(ctx context.Context, id, actor string) (*loop, error) {
	ls, err := r.acquire(ctx, id)
	if err != nil {
		return nil, err
	}
	held, _, _ := ls.get()
	l := &loop{r: r, id: id, actor: actor, lease: ls, flights: map[string]*flight{}, news: make(chan news, 64)}
	fail := func(err error) (*loop, error) {
		_ = r.Store.Release(ctx, held) // it runs out by itself
		return nil, err
	}
	h, err := Load(ctx, r.Store, r.Drivers, id)
	if err != nil {
		return fail(err)
	}
	if !h.State.Status.Final() { // else a crash came before the store was told
		if l.key, err = r.Vault.DigestKey(id); err != nil {
			return fail(fmt.Errorf("open the key of run %s: %w", id, err))
		}
	}
	l.rb, l.state, l.seq = h.Runbook, h.State, h.Seq
	l.world = newWorld(r, l.rb)
	return l, nil
}

func (l *loop) close() {
	l.world.close()
	held, _, lost := l.lease.get()
	if !lost {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := l.r.Store.Release(ctx, held); err != nil {
			l.r.log().Warn("the lease could not be given up; it runs out by itself", "run", l.id, "error", err)
		}
	}
}

// run carries the run on until it is over or cannot go on here.
func (l *loop) run(parent context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	l.ctx = ctx
	defer l.beside.Wait()
	defer cancel()

	if l.state.Status.Final() {
		return l.finish(ctx)
	}
	held, _, _ := l.lease.get()
	if err := l.append(engine.Acquired{Holder: l.r.Holder, Actor: l.actor, Epoch: held.Epoch}); err != nil {
		return err
	}
	l.goBeside(func() {
		l.lease.keep(ctx, l.r, func() { l.tell(news{lost: true}) })
	})
	err := l.carry(parent)
	if errors.Is(err, journal.ErrLeaseLost) || errors.Is(err, journal.ErrSequence) {
		l.reportLate()
	}
	l.land()
	l.flush()
	if err != nil {
		return err
	}
	return l.finish(ctx)
}

// carry carries the run on. It returns nil when the run is over.
func (l *loop) carry(parent context.Context) error {
	// What people have said while nobody carried the run out comes first, also
	// before the live systems are asked for anything: who wants to abort need
	// not mend them.
	said, err := l.r.Store.Inbox(l.ctx, l.id, l.state.Inbox)
	if err != nil {
		return fmt.Errorf("read the inbox of run %s: %w", l.id, err)
	}
	if err := l.signals(said); err != nil || l.state.Status.Final() {
		return err
	}
	if err := l.claim(parent); err != nil {
		return err
	}
	after := l.state.Inbox
	l.goBeside(func() { l.readInbox(l.ctx, after) })
	flush := time.NewTicker(time.Second)
	defer flush.Stop()

	for {
		d, err := l.decide()
		if err != nil || l.state.Status.Final() {
			return err
		}
		l.settle(d.Run)
		if l.r.LeaveWhenWaiting && d.OnlyPeople() && len(l.news) == 0 || l.restsAfterRollback() {
			return ErrNotFinal
		}
		if err := l.wait(parent, d.Wake, flush.C); err != nil {
			return err
		}
	}
}

// restsAfterRollback: a partial rollback has ended; the run is stable and
// going on is a new attempt, which a person begins. While nobody has
// acknowledged it, somebody must go on telling the next one.
func (l *loop) restsAfterRollback() bool {
	s := l.state
	return s.Unacknowledged(l.rb) == nil && s.Status == engine.PausedStatus && s.Pause != nil && s.Pause.By == "rollback" && len(l.news) == 0
}

// decide asks the engine until nothing more follows by itself.
func (l *loop) decide() (engine.Decision, error) {
	for {
		d := engine.Decide(l.rb, l.state, time.Now())
		if len(d.Append) == 0 {
			return d, nil
		}
		if err := l.append(d.Append...); err != nil {
			return d, err
		}
	}
}

// append journals events and folds them: in this order, always.
func (l *loop) append(events ...engine.Event) error {
	now := time.Now()
	records := make([]journal.Record, len(events))
	for i, ev := range events {
		rec, err := l.r.record(ev, now)
		if err != nil {
			return err
		}
		records[i] = rec
		// What is folded is what is journaled: a successor must come to the
		// same. What it could not read is not written.
		if events[i], err = engine.Unmarshal(rec.Type, rec.Version, rec.Data); err != nil {
			return fmt.Errorf("append to run %s: %w", l.id, err)
		}
	}
	for _, ev := range events {
		l.r.at("before append " + ev.Type())
	}
	held, _, lost := l.lease.get()
	if lost {
		return fmt.Errorf("append to run %s: %w", l.id, journal.ErrLeaseLost)
	}
	seq, err := l.r.Store.Append(l.ctx, held, now, l.seq, records)
	for errors.Is(err, journal.ErrBusy) && l.lease.mine() == nil {
		seq, err = l.r.Store.Append(l.ctx, held, time.Now(), l.seq, records)
	}
	if err != nil {
		return fmt.Errorf("append %s to run %s: %w", events[0].Type(), l.id, err)
	}
	for _, ev := range events {
		l.r.at("after append " + ev.Type())
	}
	l.seq = seq
	for _, ev := range events {
		switch ev := ev.(type) {
		case engine.Amended:
			rb, err := Pinned(l.r.Drivers, l.rb.File, ev.Text, ev.Settings)
			if err != nil {
				return fmt.Errorf("run %s: the amended runbook: %w", l.id, err)
			}
			l.rb = rb
			l.world.amend(rb)
		case engine.RollbackEnded:
			l.world.forget() // what failed before it speaks against no new attempt
		}
		l.state.Fold(l.rb, ev, now)
		l.r.log().Info(ev.Type(), "run", l.id, "event", ev)
	}
	return nil
}

func (l *loop) goBeside(f func()) {
	l.beside.Add(1)
	go func() { defer l.beside.Done(); f() }()
}

// finish marks the run final: claims fall, sealed faces are destroyed.
func (l *loop) finish(ctx context.Context) error {
	held, _, _ := l.lease.get()
	err := l.r.Store.Finish(ctx, held, time.Now())
	if err != nil && !errors.Is(err, journal.ErrFinal) {
		return fmt.Errorf("finish run %s: %w", l.id, err)
	}
	if err := l.r.Vault.Destroy(l.id); err != nil {
		return fmt.Errorf("destroy the sealed faces of run %s: %w", l.id, err)
	}
	return nil
}

// reportLate tells the run's new holder, through the inbox, that effects of
// this process were going when its lease ended.
func (l *loop) reportLate() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	held, _, _ := l.lease.get()
	for key, f := range l.flights {
		if !f.writes() {
			continue
		}
		f.cancel()
		sig := engine.Signal{Kind: engine.SignalLate, Actor: l.r.Holder, Of: f.effect.Step, Note: "its lease ended while it was going"}
		data, err := json.Marshal(sig)
		if err != nil {
			continue
		}
		if _, err := l.r.Store.Send(ctx, l.id, fmt.Sprintf("late/%d/%s", held.Epoch, key), time.Now(), data); err != nil {
			l.r.log().Error("a late effect could not be reported", "run", l.id, "effect", key, "error", err)
		}
	}
}
