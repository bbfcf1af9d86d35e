package ledger

import (
	"cmp"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// World is what there is, as far as the count needs it.
type World struct {
	Streams []Stream
	HRV     map[string]float64 // user|date to rmssd
	Vendor  map[string]string  // event id to user
	Effects map[string]int     // message id to how often it had an effect
}

// Stream is one stream with its messages and normalize's durables on it.
type Stream struct {
	Name     string
	Messages []Stored
	Durables []Durable
	Backup   bool // it is gone; its messages were read in its backup
}

// Stored is one message in a stream.
type Stored struct {
	ID      string
	Subject string
	Seq     uint64
	Time    time.Time
	Copy    bool // sourced from another stream
	Probe   bool // synthetic: its id, its mark or what it says begins as a probe's
}

func (m Stored) dead() bool { return strings.HasPrefix(m.Subject, event.PrefixDLQ) }

// Durable is one consumer as it stands.
type Durable struct {
	Name     string
	Subject  string
	AckFloor uint64 // stream sequence up to which all is settled
	Pending  uint64 // not yet delivered
	Unacked  int    // delivered and not settled
	// Stands: it is paused, and its stream copies another: what it has not
	// delivered is read there.
	Stands bool
}

// Drained needs both: what was delivered and not acknowledged is not pending.
func (d Durable) Drained() bool { return (d.Pending == 0 || d.Stands) && d.Unacked == 0 }

// drained tells whether no durable has anything left.
func (w World) drained() bool {
	for _, s := range w.Streams {
		for _, d := range s.Durables {
			if !d.Drained() {
				return false
			}
		}
	}
	return true
}

// place is one copy of a message.
type place struct {
	stream *Stream
	Stored
}

// before compares two places in time; within a stream its sequence is the time.
func (p place) before(q place) bool {
	if p.stream == q.stream {
		return p.Seq < q.Seq
	}
	return p.Time.Before(q.Time)
}

// waits tells whether a durable will still deliver this copy.
func (p place) waits() bool {
	for _, d := range p.stream.Durables {
		if d.Subject == p.Subject && p.Seq > d.AckFloor && !d.Drained() {
			return true
		}
	}
	return false
}

// index finds the copies of a message, and its dead letters. Probes are in
// neither.
type index struct {
	places map[string][]place
	dead   map[string]int
}

func (w World) index() index {
	ix := index{places: map[string][]place{}, dead: map[string]int{}}
	for i := range w.Streams {
		for _, m := range w.Streams[i].Messages {
			switch {
			case m.Probe:
			case m.dead():
				ix.dead[m.ID]++
			default:
				ix.places[m.ID] = append(ix.places[m.ID], place{&w.Streams[i], m})
			}
		}
	}
	return ix
}

// first is the earliest copy.
func (ix index) first(id string) (place, bool) {
	all := ix.places[id]
	if len(all) == 0 {
		return place{}, false
	}
	best := all[0]
	for _, p := range all[1:] {
		if c := p.Time.Compare(best.Time); cmp.Or(c, cmp.Compare(p.Seq, best.Seq)) < 0 {
			best = p
		}
	}
	return best, true
}
