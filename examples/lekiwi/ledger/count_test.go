package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

var noon = time.Date(2025, 1, 29, 12, 0, 0, 0, time.UTC)

// sound is a fleet of 40 robots of every kind that said five things each, all
// acknowledged, and two systems that hold them; each test breaks it in one way.
func sound() (fleet.Journal, World) {
	j := fleet.Journal{Robots: fleet.Draw(7, 40, 0.5)}
	w := World{Legacy: map[string]robot.Record{}, New: &NewSystem{Beats: map[string][]int64{}, Robots: map[string]robot.Robot{}}}
	for n := range 5 {
		for i, bot := range j.Robots {
			w.New.Events++
			due := noon.Add(time.Duration(w.New.Events) * time.Second)
			s := fleet.Sent{
				Kind: fleet.Heartbeat, ID: fmt.Sprintf("t/%d/%d", i, n), Robot: bot.Key, N: n, Via: bot.Via, Outcome: fleet.Acked, Durable: bot.Via == fleet.HTTP,
				Status: []robot.Reported{"running", "updating", "stopped", "failed", "rebooting"}[(n+i)%5], Version: fmt.Sprintf("1.%d.0", n),
				Teleoperation: i%3 == 0, Due: due.UnixNano(),
			}
			rec := bot.Says
			rec.Status, rec.Version, rec.Teleoperation = s.Status, s.Version, s.Teleoperation
			if bot.Odd != fleet.NoClock {
				s.LastSeen = robot.At(due.Add(bot.Skew))
				rec.LastSeen = s.LastSeen
			}
			raw, err := json.Marshal(fleet.Beat{ID: s.ID, Due: s.Due})
			if err != nil {
				panic(err)
			}
			rec.Metadata = raw
			if err := rec.Normalize(); err != nil {
				panic(err)
			}
			r, known := w.New.Robots[bot.Key]
			r, _ = robot.Fold(r, known, w.New.Events, robot.Event{RobotID: rec.ID, Kind: robot.Heartbeat, At: robot.At(due), Record: &rec})
			j.Sent = append(j.Sent, s)
			w.Legacy[rec.ID], w.New.Robots[rec.ID] = rec, r
			w.New.Beats[s.ID] = []int64{w.New.Events}
		}
	}
	w.New.Rebuilt = maps.Clone(w.New.Robots)
	for i := range 3 { // sessions, one after the other on one robot
		start := noon.Add(time.Duration(i) * time.Minute)
		say := fleet.Sent{Kind: fleet.Start, ID: fmt.Sprintf("s%d", i), N: i, Robot: j.Robots[3].Key, Operator: "o", Via: fleet.HTTP, Tries: 1, Outcome: fleet.Acked, SentAt: start.UnixNano(), DoneAt: start.UnixNano(), Started: start}
		end := start.Add(10 * time.Second)
		stop := say
		stop.Kind, stop.SentAt, stop.DoneAt = fleet.Stop, end.UnixNano(), end.UnixNano()
		j.Sent = append(j.Sent, say, stop)
		w.New.Sessions = append(w.New.Sessions, Session{ID: say.ID, Robot: say.Robot, Operator: say.Operator, Started: start, Ended: &end})
	}
	return j, w
}

// change changes one robot of a system.
func change[T any](robots map[string]T, key string, how func(*T)) {
	r := robots[key]
	how(&r)
	robots[key] = r
}

func TestCount(t *testing.T) {
	key := func(j *fleet.Journal, i int) string { return j.Robots[i].Key }
	type world struct {
		*fleet.Journal
		*World
	}
	for name, tt := range map[string]struct {
		change func(w world)
		want   string // the findings, as "name=n"
	}{
		"a sound world has no findings": {func(world) {}, ""},

		"an event that is gone": {func(w world) { delete(w.New.Beats, "t/2/1") }, "lost=1"},
		"one that was not acknowledged may be": {func(w world) {
			delete(w.New.Beats, "t/2/1")
			w.Sent[42].Outcome = fleet.Failed
		}, ""},
		"or not":                     {func(w world) { w.Sent[42].Outcome = fleet.Unavailable }, ""},
		"a second event":             {func(w world) { w.New.Beats["t/2/1"] = []int64{43, 300} }, "doubled=1"},
		"one that overtook":          {func(w world) { w.New.Beats["t/2/1"][0], w.New.Beats["t/2/0"][0] = 3, 43 }, "out_of_order=1"},
		"one that was refused":       {func(w world) { w.Sent[42].Outcome = fleet.Rejected }, "unexpected=1"},
		"a number that is not there": {func(w world) { w.New.Gaps = 2 }, "gaps=2"},
		"heartbeats of somebody else are none of ours": {func(w world) {
			w.New.Unmarked = 3
			w.New.Beats["other/1/1"] = []int64{500}
		}, ""},

		"a robot that is gone":   {func(w world) { delete(w.New.Robots, key(w.Journal, 5)) }, "not_rebuilt=1 sides_differ=1 new_missing=1"},
		"from the legacy system": {func(w world) { delete(w.Legacy, key(w.Journal, 5)) }, "sides_differ=1 legacy_missing=1"},
		"a robot of nobody":      {func(w world) { w.Legacy["ghost"] = robot.Record{ID: "ghost"} }, "legacy_extra=1"},
		"a state of an earlier heartbeat": {func(w world) {
			change(w.New.Robots, key(w.Journal, 5), func(r *robot.Robot) { r.Metadata = []byte(`{"beat":"t/5/3"}`) })
		}, "not_rebuilt=1 sides_differ=1 new_stale=1 new_differ=1"},
		"a state of no heartbeat": {func(w world) {
			change(w.Legacy, key(w.Journal, 5), func(r *robot.Record) { r.Metadata = nil })
		}, "sides_differ=1 legacy_stale=1"},
		"a state of another robot's": {func(w world) {
			change(w.Legacy, key(w.Journal, 5), func(r *robot.Record) { r.Metadata = []byte(`{"beat":"t/6/4"}`) })
		}, "sides_differ=1 legacy_differ=1"},
		"another type": {func(w world) {
			change(w.New.Robots, key(w.Journal, 5), func(r *robot.Robot) { r.Type = robot.TypeUnknown })
			change(w.New.Rebuilt, key(w.Journal, 5), func(r *robot.Robot) { r.Type = robot.TypeUnknown })
		}, "new_differ=1"},
		"another status": {func(w world) {
			change(w.New.Robots, key(w.Journal, 5), func(r *robot.Robot) { r.Status = "sleepy" })
			change(w.New.Rebuilt, key(w.Journal, 5), func(r *robot.Robot) { r.Status = "sleepy" })
		}, "new_differ=1"},
		"another time": {func(w world) {
			change(w.Legacy, key(w.Journal, 5), func(r *robot.Record) { r.LastSeen = robot.At(noon) })
		}, "legacy_differ=1"},
		"another flag and address": {func(w world) {
			change(w.Legacy, key(w.Journal, 5), func(r *robot.Record) { r.Teleoperation, r.IP = !r.Teleoperation, "10.9.9.9" })
		}, "legacy_differ=1"},
		"a read model that the events do not make": {func(w world) {
			change(w.New.Robots, key(w.Journal, 5), func(r *robot.Robot) { r.Failures = 7 })
		}, "not_rebuilt=1"},

		"a session that is gone":     {func(w world) { w.New.Sessions = w.New.Sessions[1:] }, "sessions_lost=1"},
		"of another operator":        {func(w world) { w.New.Sessions[1].Operator = "p" }, "sessions_differ=1"},
		"of another robot":           {func(w world) { w.New.Sessions[1].Robot = "r" }, "sessions_differ=1"},
		"that does not end":          {func(w world) { w.New.Sessions[2].Ended = nil }, "sessions_differ=1"},
		"that began an hour earlier": {func(w world) { w.New.Sessions[0].Started = noon.Add(-time.Hour) }, "sessions_differ=1"},
		"two at once": {func(w world) {
			late := noon.Add(61 * time.Second)
			w.New.Sessions[0].Ended = &late
		}, "sessions_differ=1 sessions_doubled=1"},
		"one that nobody was told of": {func(w world) {
			extra := w.New.Sessions[2]
			at, end := noon.Add(90*time.Second), noon.Add(100*time.Second)
			extra.ID, extra.Started, extra.Ended = "s9", at, &end
			w.New.Sessions = slices.Insert(w.New.Sessions, 2, extra)
		}, "sessions_extra=1"},
		"one of another fleet, later": {func(w world) {
			extra := w.New.Sessions[2]
			at, end := noon.Add(time.Hour), noon.Add(2*time.Hour)
			extra.ID, extra.Started, extra.Ended = "s9", at, &end
			w.New.Sessions = append(w.New.Sessions, extra)
		}, ""},
		"one that was observed": {func(w world) {
			extra := w.New.Sessions[2]
			at, end := noon.Add(90*time.Second), noon.Add(100*time.Second)
			extra.ID, extra.Started, extra.Ended, extra.Observed = "s9", at, &end, true
			w.New.Sessions = slices.Insert(w.New.Sessions, 2, extra)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j, w := sound()
			tt.change(world{&j, &w})
			r := Count(j, w, false)
			var got []string
			for _, f := range r.findings() {
				if f.n != 0 {
					got = append(got, fmt.Sprintf("%s=%d", f.name, f.n))
					if f.name != "gaps" && len(r.Examples[f.name]) != f.n {
						t.Errorf("%s has examples %q", f.name, r.Examples[f.name])
					}
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("found %q, want %q: %q", strings.Join(got, " "), tt.want, r.Examples)
			}
			if r.OK() != (tt.want == "") {
				t.Errorf("OK is %t", r.OK())
			}
		})
	}
}

func TestBehindASplitOnlyDurableHeartbeatsMustBeEvents(t *testing.T) {
	j, w := sound()
	for id := range w.New.Beats {
		delete(w.New.Beats, id)
	}
	durable := 0
	for _, s := range j.Sent {
		if s.Durable {
			durable++
		}
	}
	if r := Count(j, w, true); r.Lost != durable || durable == 0 || durable == r.Acked {
		t.Errorf("lost %d, durable are %d of %d", r.Lost, durable, r.Acked)
	}
	if r := Count(j, w, false); r.Lost != r.Acked {
		t.Errorf("without a split lost %d of %d", r.Lost, r.Acked)
	}
}

func TestTheLineNamesEveryFinding(t *testing.T) {
	j, w := sound()
	r := Count(j, w, false)
	names := strings.Fields(r.Line())
	for _, f := range r.findings() {
		if !slices.Contains(names, f.name+"=0") {
			t.Errorf("%s is not in %s", f.name, r.Line())
		}
	}
	if strings.Contains(r.Line(), "legacy") != (w.Legacy != nil) {
		t.Error(r.Line())
	}
}
