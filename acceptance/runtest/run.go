package runtest

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/sandbox/people"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
)

// Entry is one record of a run's journal.
type Entry struct {
	journal.Record
	engine.Event
}

// Run is a segue run in the background, whose journal is followed.
type Run struct {
	ID string

	t        testing.TB
	segue    *Segue
	cmd      *exec.Cmd
	out, err bytes.Buffer // to be read when it has ended
	ended    chan struct{}

	mu     sync.Mutex
	events []Entry
	seen   int // events that Until has looked at
	news   chan struct{}
	left   string // part of what nobody answers
}

// Begin starts a run of a runbook; people answer what it asks.
func (s *Segue) Begin(t testing.TB, file string, args ...string) *Run {
	t.Helper()
	return s.carry(t, s.Runs(t), append([]string{"run", file, "--plain"}, args...)...)
}

// GoOn carries a run that exists on.
func (s *Segue) GoOn(t testing.TB, id string, args ...string) *Run {
	t.Helper()
	runs := s.Runs(t)
	delete(runs, id)
	return s.carry(t, runs, append([]string{"run", "--resume", id, "--plain"}, args...)...)
}

// carry starts a segue that carries out a run that is not among old.
func (s *Segue) carry(t testing.TB, old map[string]bool, args ...string) *Run {
	t.Helper()
	r := &Run{t: t, segue: s, cmd: s.Command(context.WithoutCancel(t.Context()), args...), ended: make(chan struct{}), news: make(chan struct{}, 1)}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // its exit code says the rest
		close(r.ended)
	}()
	t.Cleanup(r.Kill)
	Await(t, 60*time.Second, "the run to be in the journal", func() bool {
		if r.Over() {
			t.Fatalf("segue %s has ended with exit code %d before it was a run:\n%s", strings.Join(args, " "), r.cmd.ProcessState.ExitCode(), r.Text())
		}
		for id := range s.Runs(t) {
			if !old[id] {
				r.ID = id
			}
		}
		return r.ID != ""
	})
	r.follow()
	r.answered()
	return r
}

func (r *Run) follow() {
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	reader, err := sqlite.OpenReadOnly(ctx, r.segue.State)
	if err != nil {
		stop()
		r.t.Fatal(err)
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = reader.Follow(ctx, r.ID, r.segue.last(r.ID), r.take) // it ends with ctx
	}()
	r.t.Cleanup(func() { stop(); <-followed; reader.Close() })
}

// last is the newest event that an earlier running of the same run has seen.
func (s *Segue) last(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seqs[id]
}

func (r *Run) take(rec journal.Record) error {
	ev, err := engine.Unmarshal(rec.Type, rec.Version, rec.Data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.events = append(r.events, Entry{rec, ev})
	r.mu.Unlock()
	r.segue.mu.Lock()
	r.segue.seqs[r.ID] = max(r.segue.seqs[r.ID], rec.Seq)
	r.segue.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	return nil
}

// answered lets people answer what the run asks, as long as it goes on.
func (r *Run) answered() {
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	others := people.People{
		Segue: func(ctx context.Context, args ...string) *exec.Cmd { return r.segue.Command(ctx, args...) },
		As:    "carl",
		Leave: func(what string) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.left != "" && strings.Contains(what, r.left)
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && !r.Over() {
			if r.asks() {
				others.Once(ctx, r.ID)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	r.t.Cleanup(func() { stop(); <-done })
}

// asks reports whether people may be asked now: a phase has not begun for good,
// or it is one with a step that waits for an approval.
func (r *Run) asks() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range slices.Backward(r.events) {
		switch ev := ev.Event.(type) {
		case engine.PhaseStarted:
			return true
		case engine.PhaseReady:
			return slices.Contains(r.segue.Approve, ev.Phase)
		case engine.RollbackStarted:
			return false
		}
	}
	return false
}

// Leave leaves an attestation or approval to nobody.
func (r *Run) Leave(part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = part
}

// On makes a part of a test the one that fails when the run does.
func (r *Run) On(t testing.TB) { r.t = t }

// Kill ends the program, whatever it does.
func (r *Run) Kill() {
	if !r.Over() {
		_ = r.cmd.Process.Signal(syscall.SIGCONT)
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

// Over reports whether the program has ended.
func (r *Run) Over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}
