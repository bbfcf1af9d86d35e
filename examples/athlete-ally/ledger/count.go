package ledger

import (
	"slices"
	"strings"

	"github.com/segue-run/segue/examples/athlete-ally/load"
)

// fate is everything the journal says about one id.
type fate struct {
	load.Record
	accepted bool
}

// Count compares a journal with the world. It does no I/O.
func Count(records []load.Record, w World) Result {
	r := Result{Settled: w.drained(), StoredIn: map[string]int{}, Examples: map[string][]string{}}
	ix := w.index()
	fates := r.read(records)
	ids := make([]string, 0, len(fates))
	for id := range fates {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		r.place(*fates[id], w, ix)
	}
	for id := range ix.places {
		if fates[id] == nil {
			r.Foreign++
		}
	}
	r.order(records, ix)
	r.probes(w)
	r.gone(records, w)
	return r
}

// read gathers what was sent and answered. An id is accepted when any of its
// sends was.
func (r *Result) read(records []load.Record) map[string]*fate {
	fates := map[string]*fate{}
	for _, rec := range records {
		if rec.Via == load.HTTP && rec.Code >= 500 {
			r.found(&r.Ingest5xx, "ingest_5xx", rec.ID)
		}
		if rec.Via == load.HTTP && rec.Outcome == load.Failed {
			r.found(&r.Unreachable, "ingest_unreachable", rec.ID)
		}
		if rec.Repeat {
			r.Repeats++
		}
		f, ok := fates[rec.ID]
		if !ok {
			f = &fate{Record: rec}
			fates[rec.ID] = f
		}
		f.accepted = f.accepted || rec.Accepted()
	}
	r.Sent = len(fates)
	for _, f := range fates {
		switch {
		case f.accepted:
			r.Accepted++
		case f.Outcome == load.Sent:
			r.Unacked++
		case f.Outcome == load.Rejected:
			r.Rejected++
		default:
			r.Failed++
		}
	}
	return fates
}

// place says where one message ended.
func (r *Result) place(f fate, w World, ix index) {
	places := ix.places[f.ID]
	originals, waits, live := 0, false, false
	seen := map[string]bool{}
	for _, p := range places {
		if !seen[p.stream.Name] {
			seen[p.stream.Name] = true
			r.StoredIn[p.stream.Name]++
		}
		if !p.Copy {
			originals++
		}
		waits = waits || p.waits()
		live = live || !p.stream.Backup
	}
	if len(places) > 0 {
		r.Stored++
	}
	if originals > 1 {
		r.found(&r.DoubledStored, "doubled_stored", f.ID)
	}
	if n := w.Effects[f.ID]; n > 0 {
		r.Normalized++
		if n > 1 {
			r.found(&r.Doubled, "doubled", f.ID)
		}
	}
	inDatabase := w.holds(f.Record)
	if inDatabase {
		r.InDatabase++
	}
	if f.Outcome == load.Rejected && !f.accepted {
		if inDatabase || len(places) > 0 {
			r.found(&r.Unexpected, "unexpected", f.ID)
		}
		return
	}
	dead := ix.dead[f.ID] > 0
	switch {
	case dead:
		r.DeadLettered++
	case inDatabase:
	case len(places) > 0 && f.Kind == load.Sleep:
		r.StreamOnly++
	case waits:
		r.Pending++
	case live && f.Bad:
		r.Kept++
	case f.accepted:
		r.found(&r.Lost, "lost", f.ID)
	case f.Outcome == load.Sent:
		r.found(&r.LostUnacked, "lost_unacked", f.ID)
	}
}

// holds tells whether a message's own row is there, with its own value.
func (w World) holds(rec load.Record) bool {
	switch rec.Kind {
	case load.HRV:
		value, ok := w.HRV[rec.Key]
		return ok && !rec.Bad && value == rec.Value
	case load.Oura:
		_, ok := w.Vendor[rec.Key]
		return ok && !rec.Bad
	case load.Sleep:
	}
	return false
}

// order follows each lane. A message that was not acknowledged may be stored at
// any later time and proves nothing.
func (r *Result) order(records []load.Record, ix index) {
	lanes := map[string][]load.Record{}
	for _, rec := range records {
		if rec.Repeat || (!rec.Accepted() && rec.Outcome != load.Sent) {
			continue
		}
		run := rec.ID[:max(0, strings.LastIndexByte(rec.ID, '-'))] // two loads in one journal share lane names
		key := strings.Join([]string{run, rec.Lane, rec.Subject}, " ")
		lanes[key] = append(lanes[key], rec)
	}
	for _, lane := range lanes {
		slices.SortStableFunc(lane, func(a, b load.Record) int { return a.N - b.N })
		var latest place
		for _, rec := range lane {
			p, ok := ix.first(rec.ID)
			switch {
			case !ok:
			case latest.stream != nil && p.before(latest):
				r.found(&r.OutOfOrder, "out_of_order", rec.ID)
			default:
				latest = p
			}
		}
	}
}
