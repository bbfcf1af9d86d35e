package ledger

import (
	"cmp"
	"slices"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
)

// said is what one robot said, as the journal has it.
type said struct {
	fleet.Robot
	beats []fleet.Sent // in the robot's order
	acked int          // the number of the last that was acknowledged; -1 for none
}

// Count compares a journal with the world. It does no I/O.
func Count(j fleet.Journal, w World, split bool) Result {
	r := Result{Examples: map[string][]string{}}
	robots := r.read(j)
	if w.New != nil {
		r.events(robots, *w.New, split)
		r.rebuilt(*w.New)
		r.sessions(j.Sent, *w.New)
		r.New = r.side("new", robots, facesOf(w.New.Robots, newFace))
	}
	if w.Legacy != nil {
		r.Legacy = r.side("legacy", robots, facesOf(w.Legacy, legacyFace))
	}
	if w.New != nil && w.Legacy != nil {
		r.agree(robots, w)
	}
	return r
}

// read gathers what each robot said.
func (r *Result) read(j fleet.Journal) []*said {
	byKey := map[string]*said{}
	for _, bot := range j.Robots {
		if byKey[bot.Key] == nil { // a second load may have the same fleet
			byKey[bot.Key] = &said{Robot: bot, acked: -1}
		}
	}
	r.Robots = len(byKey)
	for _, s := range j.Sent {
		if s.Kind != fleet.Heartbeat {
			continue
		}
		r.Sent++
		switch s.Outcome {
		case fleet.Acked:
			r.Acked++
		case fleet.Rejected, fleet.Missing:
			r.Rejected++
		case fleet.Unavailable, fleet.Failed:
			r.Failed++
		}
		if bot := byKey[s.Robot]; bot != nil {
			bot.beats = append(bot.beats, s)
		}
	}
	out := make([]*said, 0, len(byKey))
	for _, bot := range byKey {
		// Of several loads, one after the other, each begins at 0.
		slices.SortStableFunc(bot.beats, func(a, b fleet.Sent) int { return cmp.Compare(a.Due, b.Due) })
		for i, s := range bot.beats {
			if s.Outcome == fleet.Acked {
				bot.acked = i
			}
		}
		out = append(out, bot)
	}
	slices.SortFunc(out, func(a, b *said) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// events follows each heartbeat into the event store.
func (r *Result) events(robots []*said, n NewSystem, split bool) {
	r.Events, r.Gaps = n.Events, n.Gaps
	known := 0
	for _, bot := range robots {
		var latest int64
		for _, s := range bot.beats {
			at := n.Beats[s.ID]
			if len(at) > 0 {
				known++
				r.Stored++
			}
			must := s.Outcome == fleet.Acked && (!split || s.Durable)
			switch {
			case len(at) > 1:
				r.found(&r.Doubled, "doubled", s.ID)
			case len(at) == 1 && (s.Outcome == fleet.Rejected || s.Outcome == fleet.Missing):
				r.found(&r.Unexpected, "unexpected", s.ID)
			case len(at) == 0 && must:
				r.found(&r.Lost, "lost", s.ID)
			}
			if len(at) == 0 || s.Outcome != fleet.Acked {
				continue // it may have come at any time, or not at all
			}
			if at[0] < latest {
				r.found(&r.OutOfOrder, "out_of_order", s.ID)
			} else {
				latest = at[0]
			}
		}
	}
	r.Foreign = len(n.Beats) - known + n.Unmarked
}
