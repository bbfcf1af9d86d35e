package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// progress is move's cursor: the last sub-step that is done.
type progress struct {
	Done string `json:"done"`
	Cut  uint64 `json:"cut,omitempty"` // the old stream's last sequence when it had dropped the subjects
}

const (
	prepared = "prepare"
	switched = "switch"
	drained  = "drain"
)

func readProgress(raw json.RawMessage) (progress, error) {
	var p progress
	if raw == nil {
		return p, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("cursor of nats.move: %w", err)
	}
	return p, nil
}

func (m *move) Apply(ctx context.Context, e driver.Effect) (state.State, error) { return m.run(ctx, e) }

// Resume goes on after a crash.
func (m *move) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return m.run(ctx, e)
}

func (m *move) run(ctx context.Context, e driver.Effect) (state.State, error) {
	p, err := readProgress(e.Cursor)
	if err != nil {
		return nil, err
	}
	from, to, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	// A crash between the halves of the switch left the subjects without an
	// owner: that comes before everything else.
	if owned := union(from.subjects(), to.subjects()); len(minus(m.moving, owned)) > 0 {
		if err := m.change(ctx, e, from, to); err != nil {
			return nil, err
		}
	}
	if p.Done == "" {
		if err := m.prepare(ctx, e, from, to); err != nil {
			return nil, err
		}
		p.Done = prepared
		if err := e.Save(ctx, p); err != nil {
			return nil, err
		}
	}
	if p.Done == prepared {
		if from, to, err = m.look(ctx); err != nil { // somebody may have edited them meanwhile
			return nil, err
		}
		if err := m.change(ctx, e, from, to); err != nil {
			return nil, err
		}
		if p.Cut, err = m.c.stillness(ctx, from); err != nil {
			return nil, err
		}
		p.Done = switched
		if err := e.Save(ctx, p); err != nil {
			return nil, err
		}
	}
	if p.Done == switched {
		if err := m.drain(ctx); err != nil {
			return nil, err
		}
		p.Done = drained
		if err := e.Save(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := m.resume(ctx, e); err != nil {
		return nil, err
	}
	return m.Observe(ctx)
}

func (m *move) look(ctx context.Context) (from, to *streamInfo, err error) {
	if from, err = m.c.stream(ctx, m.p.From); err != nil {
		return nil, nil, err
	}
	if to, err = m.c.stream(ctx, m.p.To); err != nil {
		return nil, nil, err
	}
	for name, info := range map[string]*streamInfo{m.p.From: from, m.p.To: to} {
		if info == nil {
			return nil, nil, fmt.Errorf("%s: stream %s is gone", m.c, name)
		}
	}
	return from, to, nil
}

// prepare asserts that both streams are fit, and makes each durable exist on
// the new stream, paused.
func (m *move) prepare(ctx context.Context, e driver.Effect, from, to *streamInfo) error {
	for _, info := range []*streamInfo{from, to} {
		if err := info.fit(); err != nil {
			return fmt.Errorf("%s: nothing was touched: %w", m.c, err)
		}
	}
	for _, name := range m.p.Consumers {
		if err := m.prepareConsumer(ctx, e, name, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) prepareConsumer(ctx context.Context, e driver.Effect, name string, from, to *streamInfo) error {
	until := time.Now().Add(m.drainWithin() + selfHeal)
	moved := len(common(m.moving, from.subjects())) == 0
	now, err := m.c.consumer(ctx, m.p.To, name)
	if err != nil {
		return err
	}
	if now == nil {
		old, err := m.c.consumer(ctx, m.p.From, name)
		if err != nil {
			return err
		}
		if old == nil {
			return fmt.Errorf("%s: there is no consumer %s on stream %s to copy", m.c, name, m.p.From)
		}
		now = &consumerInfo{Config: maps.Clone(old.Config), Paused: true}
		now.Config["pause_until"] = compact(until.UTC())
		if err := m.c.writeConsumer(ctx, e.Mine, m.p.To, name, now.Config); err != nil {
			return err
		}
	}
	if moved { // its messages are on the new stream already
		return nil
	}
	if !now.Paused {
		if err := m.c.pause(ctx, e.Mine, m.p.To, name, until); err != nil {
			return err
		}
	}
	// What the new stream holds already was processed in an earlier attempt,
	// or is nobody's: a durable that move makes starts after it.
	if flag(e.Before[m.consumerID(name)]["exists"]) || to.State.LastSeq == 0 || word(now.Config["deliver_policy"]) != "all" {
		return nil
	}
	return m.c.reset(ctx, e.Mine, m.p.To, name, to.State.LastSeq+1)
}

// fit: it has a leader and enough current replicas to go on.
func (i *streamInfo) fit() error {
	if i.Cluster == nil {
		return nil
	}
	current := 1
	for _, r := range i.Cluster.Replicas {
		if r.Current && !r.Offline {
			current++
		}
	}
	if n := len(i.Cluster.Replicas) + 1; i.Cluster.Leader == "" || current <= n/2 {
		return fmt.Errorf("stream %s has leader %q and %d of %d replicas current", i.name(), i.Cluster.Leader, current, n)
	}
	return nil
}

// change is the switch: from drops the subjects, to takes them.
func (m *move) change(ctx context.Context, e driver.Effect, from, to *streamInfo) error {
	return m.c.hand(ctx, e.Mine, m.moving, from, to)
}

// drain waits until the old durables have finished what came before the cut.
func (m *move) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.drainWithin(), fmt.Errorf("not within %s", m.drainWithin()))
	defer cancel()
	for _, name := range m.p.Consumers {
		left := "not seen yet"
		err := await(ctx, func() (bool, error) {
			done, old, err := m.c.finished(ctx, m.p.From, name, m.moving)
			if old != nil {
				left = old.left()
			}
			return done, err
		})
		if err != nil {
			return fmt.Errorf("%s: wait for the workers of consumer %s to finish stream %s (%s), while the one on %s stays paused so that order is kept: %w",
				m.c, name, m.p.From, left, m.p.To, err)
		}
	}
	return nil
}

// resume lets the new durables deliver.
func (m *move) resume(ctx context.Context, e driver.Effect) error {
	for _, name := range m.p.Consumers {
		now, err := m.c.consumer(ctx, m.p.To, name)
		if err != nil {
			return err
		}
		if now == nil {
			return fmt.Errorf("%s: consumer %s of stream %s is gone", m.c, name, m.p.To)
		}
		if now.Paused {
			if err := m.c.resume(ctx, e.Mine, m.p.To, name); err != nil {
				return err
			}
		}
	}
	return nil
}
