package ingest

import (
	"sync"
	"time"
)

// recent remembers which request ids were acknowledged lately. JetStream's own
// duplicate window ends where a subject moves to another stream; this one does
// not.
type recent struct {
	mu       sync.Mutex
	lifetime time.Duration
	now      func() time.Time
	young    map[string]struct{}
	old      map[string]struct{}
	turned   time.Time
}

func newRecent(lifetime time.Duration, now func() time.Time) *recent {
	return &recent{lifetime: lifetime, now: now, young: map[string]struct{}{}, turned: now()}
}

// turn forgets in two generations, so that an id lives between one and two
// lifetimes and nothing is scanned.
func (r *recent) turn() {
	now := r.now()
	age := now.Sub(r.turned)
	if age < r.lifetime {
		return
	}
	r.old = r.young
	if age >= 2*r.lifetime {
		r.old = nil
	}
	r.young = map[string]struct{}{}
	r.turned = now
}

func (r *recent) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	r.young[id] = struct{}{}
}

func (r *recent) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	if _, ok := r.young[id]; ok {
		return true
	}
	_, ok := r.old[id]
	return ok
}
