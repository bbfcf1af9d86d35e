package memory

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/segue-run/segue/journal"
)

// A Disk holds runs. The zero value is an empty one.
type Disk struct {
	mu       sync.Mutex
	runs     map[string]*run
	claims   map[string]string // resource → run
	readings []journal.Reading
	told     []journal.Delivery
	full     bool
	changed  chan struct{} // closed when records are added; nil when nobody waits
}

type run struct {
	name    string
	created time.Time
	records []journal.Record
	inbox   []journal.Message
	lease   journal.Lease // Holder "": nobody
	final   bool
}

// Open gives a process its handle on d.
func (d *Disk) Open() *Store { return &Store{disk: d, closed: make(chan struct{})} }

// SetFull makes everything that would take room fail with journal.ErrFull, or
// ends that.
func (d *Disk) SetFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// find is called with mu held.
func (d *Disk) find(id string) (*run, error) {
	if r := d.runs[id]; r != nil {
		return r, nil
	}
	return nil, journal.ErrNotFound
}

// room is called with mu held.
func (d *Disk) room() error {
	if d.full {
		return journal.ErrFull
	}
	return nil
}

// wake lets followers look again. It is called with mu held.
func (d *Disk) wake() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// more returns a channel that is closed at the next change. It is called with
// mu held, by who will wait: in its bubble, if it is in one.
func (d *Disk) more() <-chan struct{} {
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.changed
}

// lost says how the lease was lost, if it was.
func (r *run) lost(l journal.Lease, now time.Time) error {
	if r.lease.Holder == "" || r.lease.Epoch != l.Epoch || !now.Before(r.lease.Expires) {
		return journal.ErrLeaseLost
	}
	return nil
}

// add stores copies, so that nobody shares memory with the disk.
func (r *run) add(epoch int64, now time.Time, records []journal.Record) {
	for _, rec := range records {
		rec.Seq, rec.Epoch = int64(len(r.records))+1, epoch
		if rec.At.IsZero() {
			rec.At = now
		}
		rec.At, rec.Data = rec.At.UTC().Round(0), clone(rec.Data)
		r.records = append(r.records, rec)
	}
}

func clone(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	return slices.Clone(data)
}
