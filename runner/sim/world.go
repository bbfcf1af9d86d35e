// Package sim runs the real engine and the real runner on a fake world with a
// fake clock, crashes them at every boundary, and gives answers late, twice or
// not at all. One seed reproduces a failure.
//
// A simulation lives in a testing/synctest bubble; its time is the bubble's.
package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A World is a live system: named cells with text in them.
type World struct {
	mu     sync.Mutex
	cells  map[string]string
	writes []Write
	rng    *rand.Rand
	faults Faults
}

// A Write is a change that reached the world.
type Write struct {
	At    time.Time
	By    int // the process that sent it
	Cell  string
	Value string
}

// Faults say how the network between a process and the world misbehaves; each
// is a probability from 0 to 1.
type Faults struct {
	LostAnswer float64 // the write is made, its answer is lost
	LostWrite  float64 // the write never arrives, and its answer neither
	Doubled    float64 // the write is made twice, the second time late
	Late       float64 // the write arrives late, also after its sender's death
}

// lateBy is how late a late write is at most; a successor's wait for the world
// to come to rest is longer.
const lateBy = 200 * time.Millisecond

var errNoAnswer = errors.New("no answer from the world")

// NewWorld makes a world with its own source of chance.
func NewWorld(seed uint64, f Faults) *World {
	return &World{cells: map[string]string{}, rng: rand.New(rand.NewPCG(seed, 1)), faults: f}
}

// Set changes a cell from outside: somebody else's hand.
func (w *World) Set(cell, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cells[cell] = value
}

// Cells is a copy of what is there; a cell without text is not there.
func (w *World) Cells() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]string, len(w.cells))
	for k, v := range w.cells {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

// Writes are all writes that arrived, in order.
func (w *World) Writes() []Write {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Write(nil), w.writes...)
}

func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// A Process is one segue that reaches the world. After Die nothing it does has
// any effect, but what it had sent may still arrive.
type Process struct {
	ID    int
	World *World
	dead  func() bool
}

func (p *Process) read(ctx context.Context, cell string) (string, error) {
	if p.dead() {
		return "", errNoAnswer
	}
	if err := sleep(ctx, time.Millisecond); err != nil {
		return "", err
	}
	p.World.mu.Lock()
	mood := p.World.cells[Mood]
	v := p.World.cells[cell]
	p.World.mu.Unlock()
	switch mood {
	case "silent":
		return "", errNoAnswer
	case "deaf": // it answers nobody, and whoever asks ignores that time is over
		_ = sleep(context.WithoutCancel(ctx), Hang)
		return "", errNoAnswer
	}
	return v, nil
}

// Mood is a cell: in it stands how the whole world answers to reads, "silent"
// or "deaf".
const Mood = "mood"

func (p *Process) write(ctx context.Context, cell, value string) error {
	if p.dead() {
		return errNoAnswer
	}
	w := p.World
	w.mu.Lock()
	lost, noAnswer, doubled, late := w.chance(w.faults.LostWrite), w.chance(w.faults.LostAnswer), w.chance(w.faults.Doubled), w.chance(w.faults.Late)
	delay := time.Duration(w.rng.Int64N(int64(lateBy)))
	w.mu.Unlock()
	switch {
	case lost:
		return fmt.Errorf("write %s: %w", cell, errNoAnswer)
	case late:
		p.later(delay, cell, value)
		if err := sleep(ctx, delay+time.Millisecond); err != nil {
			return err
		}
	default:
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		p.arrive(cell, value)
		if doubled {
			p.later(delay, cell, value)
		}
	}
	if noAnswer {
		return fmt.Errorf("write %s: %w", cell, errNoAnswer)
	}
	return nil
}

func (p *Process) arrive(cell, value string) {
	p.World.mu.Lock()
	defer p.World.mu.Unlock()
	p.World.cells[cell] = value
	p.World.writes = append(p.World.writes, Write{time.Now(), p.ID, cell, value})
}

func (p *Process) later(delay time.Duration, cell, value string) {
	time.AfterFunc(delay, func() { p.arrive(cell, value) })
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
