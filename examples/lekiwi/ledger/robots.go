package ledger

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// face is what both systems show of a robot.
type face struct {
	record robot.Record
	// Type and status as only the new system has them; "" elsewhere.
	kind   robot.Type
	status robot.Status
}

func legacyFace(r robot.Record) face { return face{record: r} }

func newFace(r robot.Robot) face { return face{record: r.Record(), kind: r.Type, status: r.Status} }

func facesOf[T any](in map[string]T, make func(T) face) map[string]face {
	out := map[string]face{}
	for id, v := range in {
		out[id] = make(v)
	}
	return out
}

// words are the new system's for what robots say; not asked of its own code,
// which may be wrong.
func words(said robot.Reported) robot.Status {
	switch said {
	case "running":
		return "online"
	case "updating":
		return "deploying"
	case "failed":
		return "error"
	}
	return "offline"
}

// side judges the robots of one system.
func (r *Result) side(name string, robots []*said, held map[string]face) *Side {
	s := &Side{Robots: len(held)}
	known := map[string]bool{}
	for _, bot := range robots {
		known[bot.Key] = true
		f, there := held[bot.Key]
		switch {
		case !there && bot.acked >= 0:
			r.found(&s.Missing, name+"_missing", bot.Key)
		case there:
			r.judge(name, s, bot, f)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(held)) {
		if !known[id] {
			r.found(&s.Extra, name+"_extra", id)
		}
	}
	return s
}

// judge compares one robot with the heartbeat that its state is of.
func (r *Result) judge(name string, s *Side, bot *said, f face) {
	beat, marked := fleet.BeatOf(f.record.Metadata)
	if !marked {
		if bot.acked >= 0 {
			r.found(&s.Stale, name+"_stale", fmt.Sprintf("%s is of no heartbeat, acknowledged is %s", bot.Key, bot.beats[bot.acked].ID))
		}
		return
	}
	at := slices.IndexFunc(bot.beats, func(s fleet.Sent) bool { return s.ID == beat.ID })
	if at < 0 {
		r.found(&s.Differ, name+"_differ", fmt.Sprintf("%s is of %s, which it never said", bot.Key, beat.ID))
		return
	}
	if at < bot.acked {
		r.found(&s.Stale, name+"_stale", fmt.Sprintf("%s is of %s, acknowledged is %s", bot.Key, beat.ID, bot.beats[bot.acked].ID))
	}
	if d := differences(bot.expected(at), f); d != "" {
		r.found(&s.Differ, name+"_differ", bot.Key+": "+d)
	}
}

// expected is what a robot's heartbeat makes of it.
func (b *said) expected(at int) face {
	s, rec := b.beats[at], b.Says
	rec.ID, rec.Hostname = b.Key, strings.TrimSpace(rec.Hostname)
	rec.Status, rec.Version, rec.Teleoperation, rec.LastSeen = s.Status, s.Version, s.Teleoperation, s.LastSeen
	switch rec.Status {
	case robot.Running, robot.Stopped, robot.Updating, robot.ReportedFailed:
	default:
		rec.Status = robot.ReportedUnknown
	}
	return face{record: rec, kind: b.Type, status: words(rec.Status)}
}

// differences names the fields in which a robot is not what it should be; ""
// for none.
func differences(want, got face) string {
	var out []string
	if got.kind != "" && got.kind != want.kind {
		out = append(out, fmt.Sprintf("type is %s, want %s", got.kind, want.kind))
	}
	if got.status != "" && got.status != want.status {
		out = append(out, fmt.Sprintf("status is %s, want %s", got.status, want.status))
	}
	if want.record.LastSeen.IsZero() { // it has no clock: then the system's counts
		got.record.LastSeen = robot.Time{}
	}
	want.record.Metadata, got.record.Metadata = nil, nil // it was found by it
	w, g := reflect.ValueOf(want.record), reflect.ValueOf(got.record)
	for i := range w.NumField() {
		if a, b := w.Field(i).Interface(), g.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			out = append(out, fmt.Sprintf("%s is %v, want %v", w.Type().Field(i).Name, b, a))
		}
	}
	return strings.Join(out, ", ")
}

// agree compares the two systems where both speak of the same heartbeat, and
// finds robots that only one has.
func (r *Result) agree(robots []*said, w World) {
	for _, bot := range robots {
		legacy, inLegacy := w.Legacy[bot.Key]
		own, inNew := w.New.Robots[bot.Key]
		switch {
		case inLegacy != inNew:
			r.found(&r.SidesDiffer, "sides_differ", fmt.Sprintf("%s: in the legacy system is %t, in the new one %t", bot.Key, inLegacy, inNew))
		case !inLegacy:
		default:
			a, _ := fleet.BeatOf(legacy.Metadata)
			b, _ := fleet.BeatOf(own.Metadata)
			if a.ID != b.ID {
				r.found(&r.SidesDiffer, "sides_differ", fmt.Sprintf("%s: is of %q in the legacy system, of %q in the new one", bot.Key, a.ID, b.ID))
			}
		}
	}
}

// rebuilt compares the read model with what the events make.
func (r *Result) rebuilt(n NewSystem) {
	ids := maps.Clone(n.Robots)
	maps.Copy(ids, n.Rebuilt)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		kept, there := n.Robots[id]
		made, is := n.Rebuilt[id]
		if there != is || !reflect.DeepEqual(kept, made) {
			r.found(&r.NotRebuilt, "not_rebuilt", id)
		}
	}
}
