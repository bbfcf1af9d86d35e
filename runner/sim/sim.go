package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/memory"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/secret"
	"github.com/segue-run/segue/state"
)

// A Plan is one simulation.
type Plan struct {
	Seed    uint64
	Runbook string
	Faults  Faults
	// CrashAt is the number of the boundary at which each process in turn
	// dies, counted from its own start; a process beyond the list lives.
	CrashAt []int
	// Signals are sent when the run has journaled that many events.
	Signals map[int64]engine.Signal
	// FullAt is the number of events from which the disk is full, until the
	// process has ended.
	FullAt int64
	// Hands are somebody else's: cells set when so many events are journaled.
	Hands map[int64]map[string]string
	// Secrets are known to each process from its start, Learnt only once it has
	// passed ten boundaries.
	Secrets, Learnt []string
	// Stays: processes stay while only a person can move the run on; the person
	// looks at it now and then. Else they end, and the person comes at once.
	Stays bool
	// Mend is what the person does beside retrying: put drift back.
	Patience int // how often the person helps before giving up; 60 at zero
}

// A Result is what a simulation left.
type Result struct {
	History    *runner.History
	World      *World
	Cells      map[string]string
	Boundaries []int // how many each process passed
	Processes  int
	Helped     int
	Full       int // how many processes ended on a full disk
}

// ErrStuck: the run did not come to an end.
var ErrStuck = errors.New("the run did not come to an end")

type simulation struct {
	plan  Plan
	disk  *memory.Disk
	world *World
	vault *vault
	rng   *rand.Rand
	run   string
	set   map[int64]bool // hands that have moved
	res   Result
}

// Run carries a plan out. It must be called in a testing/synctest bubble.
func Run(ctx context.Context, plan Plan) (Result, error) {
	s := &simulation{
		plan: plan, disk: &memory.Disk{}, world: NewWorld(plan.Seed, plan.Faults), vault: &vault{},
		rng: rand.New(rand.NewPCG(plan.Seed, 2)), set: map[int64]bool{},
	}
	s.res.World = s.world
	err := s.all(ctx)
	time.Sleep(2 * Hang) // whatever is still on its way arrives
	s.res.Cells = s.world.Cells()
	return s.res, err
}

func (s *simulation) all(ctx context.Context) error {
	if s.plan.Patience == 0 {
		s.plan.Patience = 60
	}
	for n := 0; ; n++ {
		final, err := s.process(ctx, n)
		if err != nil {
			return err
		}
		if final {
			break
		}
		if n > s.plan.Patience {
			return fmt.Errorf("%w: %d processes, last paused: %+v", ErrStuck, n, s.res.History.State.Pause)
		}
	}
	s.res.Processes = len(s.res.Boundaries)
	return nil
}

// process is the life of one segue. It reports whether the run is over.
func (s *simulation) process(ctx context.Context, n int) (final bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	store := s.disk.Open()
	defer store.Close()
	var dead atomic.Bool
	proc := &Process{ID: n, World: s.world, dead: dead.Load}
	cat := &driver.Catalog{}
	cat.Add(proc.Parts()...)

	secrets := &secret.Redactor{}
	secrets.Add(s.plan.Secrets...)
	boundary, limit := 0, 0
	if n < len(s.plan.CrashAt) {
		limit = s.plan.CrashAt[n]
	}
	var mu sync.Mutex
	r := &runner.Runner{
		Store: store, Drivers: cat, Vault: s.vault, Holder: fmt.Sprintf("process %d", n), Wait: true, TTL: 10 * time.Second,
		LeaveWhenWaiting: !s.plan.Stays, Secrets: secrets,
		Boundary: func(string) {
			mu.Lock()
			defer mu.Unlock()
			boundary++
			if boundary == 10 {
				secrets.Add(s.plan.Learnt...)
			}
			if boundary == limit {
				dead.Store(true)
				_ = store.Close()
				cancel()
			}
		},
	}
	if s.run == "" {
		rb, err := runbook.Parse("sim.yaml", []byte(s.plan.Runbook), cat, runbook.Values{})
		if err != nil {
			return false, err
		}
		if s.run, err = r.Start(ctx, rb, "operator"); err != nil {
			return false, err
		}
	}
	stop := make(chan struct{})
	var person sync.WaitGroup
	if len(s.plan.Signals)+len(s.plan.Hands) > 0 || s.plan.FullAt > 0 {
		person.Go(func() { s.signals(stop) })
	}
	if s.plan.Stays {
		person.Go(func() { s.visit(cat, stop) })
	}
	_, _, err = r.Run(ctx, s.run, "operator")
	crashed := dead.Swap(true) // with its process, an effect that does not end is gone
	close(stop)
	person.Wait()
	s.res.Boundaries = append(s.res.Boundaries, boundary)

	other := s.disk.Open()
	defer other.Close()
	h, lerr := runner.Load(context.Background(), other, cat, s.run)
	if lerr != nil {
		return false, lerr
	}
	s.res.History = h
	switch {
	case h.State.Status.Final() && (err == nil || crashed):
		return !crashed, nil
	case crashed:
		return false, nil
	case err == nil, errors.Is(err, runner.ErrNotFinal):
		return false, s.help(other, h)
	case errors.Is(err, journal.ErrLeaseLost):
		return false, nil
	case errors.Is(err, journal.ErrFull):
		s.res.Full++
		s.disk.SetFull(false)
		return false, nil
	}
	return false, err
}

// help is the person at a paused run: drift is put back by hand, and the step
// or the rollback is tried again.
func (s *simulation) help(store journal.Store, h *runner.History) error {
	st := h.State
	s.res.Helped++
	for _, c := range st.Drift {
		if v, ok := st.Left[c.Resource][c.Field]; ok {
			s.world.Set(c.Resource[len(id("")):], text(v))
		}
	}
	kind := engine.SignalRetry
	if st.Rollback != nil && st.Rollback.Ended != nil && st.Rollback.Ended.Result != engine.RolledFail && st.Pause != nil && st.Pause.By == "rollback" {
		kind = engine.SignalResume
	}
	if st.Alert != nil && st.Alert.By == "" && st.Status == engine.PausedStatus && s.plan.Stays {
		kind = engine.SignalAck // and then, when nothing is left to be heard, the rest
	}
	return send(store, s.run, fmt.Sprintf("help %d", s.res.Helped), engine.Signal{Kind: kind, Actor: "operator"})
}

func text(raw json.RawMessage) string {
	var v string
	_ = json.Unmarshal(raw, &v) // the simulated driver's fields are strings
	return v
}

func send(store journal.Store, run, key string, sig engine.Signal) error {
	data, err := json.Marshal(sig)
	if err != nil {
		return err
	}
	_, err = store.Send(context.Background(), run, key, time.Now(), data)
	if errors.Is(err, journal.ErrFinal) {
		return nil
	}
	return err
}

// signals sends the plan's signals when their time has come.
func (s *simulation) signals(stop <-chan struct{}) {
	store := s.disk.Open()
	defer store.Close()
	for {
		records, err := store.Read(context.Background(), s.run, 0, 0)
		if err == nil {
			if full := s.plan.FullAt; full > 0 && int64(len(records)) >= full {
				s.plan.FullAt = 0
				s.disk.SetFull(true)
			}
			for seq, cells := range s.plan.Hands {
				if int64(len(records)) >= seq && !s.set[seq] {
					s.set[seq] = true
					for cell, v := range cells {
						s.world.Set(cell, v)
					}
				}
			}
			for seq, sig := range s.plan.Signals {
				if int64(len(records)) >= seq {
					_ = send(store, s.run, fmt.Sprintf("plan %d", seq), sig) // refused signals are journaled
				}
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// visit helps a run that is paused for as long as the person is away.
func (s *simulation) visit(cat *driver.Catalog, stop <-chan struct{}) {
	store := s.disk.Open()
	defer store.Close()
	var paused int64 // the events there were when it was first seen to be
	for {
		select {
		case <-stop:
			return
		case <-time.After(7 * time.Second):
		}
		h, err := runner.Load(context.Background(), store, cat, s.run)
		if err != nil || h.State.Status != engine.PausedStatus {
			paused = 0
			continue
		}
		if paused == 0 {
			paused = h.Seq
			continue
		}
		if err := s.help(store, h); err == nil {
			paused = 0
		}
	}
}

// Left is the folded ledger of what the run left, for comparison.
func (r Result) Left() state.Face { return r.History.State.Left }

// vault keeps sealed faces in memory.
type vault struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (v *vault) DigestKey(run string) ([]byte, error) { return []byte("key of " + run), nil }

func (v *vault) Put(run, name string, plain []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.files == nil {
		v.files = map[string][]byte{}
	}
	v.files[run+"/"+name] = append([]byte(nil), plain...)
	return nil
}

func (v *vault) Get(run, name string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b, ok := v.files[run+"/"+name]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("no sealed face %s", name)
}

func (v *vault) Destroy(run string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.files)
	return nil
}
