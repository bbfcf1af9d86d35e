package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// Faults are what the services are made to do wrong, for drills and tests: a
// file of JSON, by service, which may change while they run. Without a file
// there are none.
//
//	{"discovery-service": {"errors": 0.02, "delay_ms": 600}}
type Faults struct {
	path string

	mu     sync.Mutex
	looked time.Time
	all    map[string]Fault
}

// Fault is what one service does wrong, on every page but those by which it is
// watched.
type Fault struct {
	Errors  float64 `json:"errors,omitempty"`   // share of requests that are answered with 500, and not carried out
	DelayMS int     `json:"delay_ms,omitempty"` // how long each waits before it is looked at
}

// FaultsIn follows a file; "" is no file. The file need not be there.
func FaultsIn(path string) *Faults { return &Faults{path: path} }

// faultsEvery is how soon a change of the file takes hold.
const faultsEvery = 50 * time.Millisecond

// of is what a service is to do wrong now. A file that cannot be read as faults
// changes nothing: it is half written.
func (f *Faults) of(service string) Fault {
	if f == nil || f.path == "" {
		return Fault{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= faultsEvery {
		f.looked = now
		var all map[string]Fault
		raw, err := os.ReadFile(f.path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && json.Unmarshal(raw, &all) == nil {
			f.all = all
		}
	}
	return f.all[service]
}

// WriteFaults makes services that follow a file do this wrong from now on; none
// takes the file away.
func WriteFaults(path string, all map[string]Fault) error {
	if len(all) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("end the faults: %w", err)
		}
		return nil
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("write the faults: %w", err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil { //nolint:gosec // the services are another user's
		return fmt.Errorf("write the faults: %w", err)
	}
	return nil
}

// broken does what is to be done wrong with a request, and says whether it has
// answered it.
func (p *Pages) broken(w http.ResponseWriter, r *http.Request, path string) bool {
	switch path {
	case api.PathHealth, api.PathV2Health, api.PathMetrics, api.PathV2Metrics:
		return false
	}
	f := p.Faults.of(p.service)
	if f.DelayMS > 0 {
		wait := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
		}
	}
	if f.Errors > 0 && rand.Float64() < f.Errors { //nolint:gosec // no secret
		Reply(w, http.StatusInternalServerError, api.Error{Error: "a fault, as was asked for"})
		return true
	}
	return false
}
