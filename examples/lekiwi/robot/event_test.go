package robot

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2025, 1, 29, 12, 0, 0, 0, time.UTC)

func TestLifecycle(t *testing.T) {
	for name, tt := range map[string]struct {
		events string // heartbeats by their status; other kinds as they are
		want   Lifecycle
		fails  int
	}{
		"the first heartbeat discovers":              {"running", Discovered, 0},
		"heartbeats alone bring it no further":       {"running running running", Discovered, 0},
		"discovery takes it on":                      {"running taken", Provisioning, 0},
		"it answers":                                 {"running taken probed", Ready, 0},
		"one that cannot be asked is heard of":       {"running taken running", Ready, 0},
		"one that is updating stays in provisioning": {"updating taken updating", Provisioning, 0},
		"and works":                                            {"running taken probed running", Active, 0},
		"an update is maintenance":                             {"running taken probed running updating", Maintenance, 0},
		"which ends":                                           {"running taken probed running updating running", Active, 0},
		"it stops":                                             {"running taken probed running stopped", Gone, 0},
		"and is back":                                          {"running taken probed running stopped running", Active, 0},
		"it says that it failed":                               {"running taken probed running failed", Failed, 0},
		"one that does not know itself stays":                  {"running taken probed running unknown", Active, 0},
		"two failures are none":                                {"running taken probed running unanswered unanswered", Active, 2},
		"three failures from active are one":                   {"running taken probed running unanswered unanswered unanswered", Failed, 3},
		"a heartbeat resets the count":                         {"running taken probed running unanswered unanswered running unanswered unanswered", Active, 2},
		"four failures from offline are none":                  {"running taken probed stopped unanswered unanswered unanswered unanswered", Gone, 4},
		"five are":                                             {"running taken probed stopped unanswered unanswered unanswered unanswered unanswered", Failed, 5},
		"silence makes an active one offline":                  {"running taken probed running silent", Gone, 0},
		"failures go on counting":                              {"running taken probed running unanswered unanswered silent unanswered unanswered", Gone, 4},
		"and a heartbeat brings a failed one back":             {"running taken probed running unanswered unanswered unanswered running", Active, 0},
		"one that was never taken on does not fail by silence": {"running silent unanswered unanswered unanswered", Discovered, 3},
		"a deleted one begins anew":                            {"running taken probed deleted running", Discovered, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r Robot
			known := false
			for i, word := range strings.Fields(tt.events) {
				r, known = Fold(r, known, int64(i+1), event(word, noon.Add(time.Duration(i)*time.Second)))
			}
			if !known || r.Lifecycle != tt.want || r.Failures != tt.fails {
				t.Errorf("after %s: %s with %d failures (known: %t), want %s with %d", tt.events, r.Lifecycle, r.Failures, known, tt.want, tt.fails)
			}
		})
	}
}

func event(word string, at time.Time) Event {
	e := Event{RobotID: "r", At: At(at)}
	if said := ParseReported(word); said != ReportedUnknown || word == "unknown" {
		e.Kind, e.Record = Heartbeat, &Record{ID: "r", Status: said, LastSeen: At(at)}
		return e
	}
	e.Kind = Kind(word)
	if has, _ := e.Kind.hasRecord(); has {
		e.Record = &Record{ID: "r", Status: Running, LastSeen: At(at)}
	}
	return e
}

func TestAnImportedRecordCountsOnlyIfNewer(t *testing.T) {
	r, _ := Fold(Robot{}, false, 1, Event{RobotID: "r", Kind: Heartbeat, At: At(noon), Record: &Record{ID: "r", Status: Running, Version: "2", LastSeen: At(noon)}})
	old := Event{RobotID: "r", Kind: Imported, At: At(noon.Add(time.Hour)), Record: &Record{ID: "r", Status: Stopped, Version: "1", LastSeen: At(noon.Add(-time.Second))}}
	if got, _ := Fold(r, true, 2, old); got.Version != "2" || got.Seq != 1 {
		t.Errorf("an old record was taken over: %+v", got)
	}
	old.Record.LastSeen = At(noon.Add(time.Second))
	if got, _ := Fold(r, true, 2, old); got.Version != "1" || got.Status != Offline || got.Seq != 2 {
		t.Errorf("a newer record was not taken over: %+v", got)
	}
}

func TestSilenceGoesByOurClock(t *testing.T) {
	r, _ := Fold(Robot{}, false, 1, Event{RobotID: "r", Kind: Heartbeat, At: At(noon), Record: &Record{ID: "r", Status: Running, LastSeen: At(noon.Add(-3 * time.Hour))}})
	for after, want := range map[time.Duration]bool{0: true, Silence - time.Second: true, Silence: false} {
		if got := r.Healthy(noon.Add(after)); got != want {
			t.Errorf("%s after it was heard, its clock three hours behind: healthy = %t", after, got)
		}
	}
}

func TestKeys(t *testing.T) {
	r := Record{ID: "r", Status: Running, LastSeen: At(noon)}
	later := r
	later.LastSeen = At(noon.Add(time.Second))
	same := []string{HeartbeatKey("", r), HeartbeatKey("", r)}
	if same[0] != same[1] || same[0] == "" {
		t.Errorf("the same heartbeat has the keys %q", same)
	}
	different := map[string]string{
		"a later one": HeartbeatKey("", later), "one with a message id": HeartbeatKey("m1", r), "an import": ImportKey(r),
		"parts that run together": NewKey("ab", "c"), "others": NewKey("a", "bc"),
	}
	seen := map[string]string{same[0]: "the heartbeat"}
	for name, key := range different {
		if other, twice := seen[key]; twice {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[key] = name
	}
	if HeartbeatKey("m1", r) != HeartbeatKey("m1", later) {
		t.Error("a message that is sent again under its id is another event")
	}
	if HeartbeatKey("", Record{ID: "r"}) != "" {
		t.Error("two heartbeats that say neither id nor time are one")
	}
	if WindowKey(Unanswered, "r", noon, time.Minute) != WindowKey(Unanswered, "r", noon.Add(59*time.Second), time.Minute) ||
		WindowKey(Unanswered, "r", noon, time.Minute) == WindowKey(Unanswered, "r", noon.Add(time.Minute), time.Minute) {
		t.Error("an event of a window is not one for each window")
	}
}

func TestEventsAreChecked(t *testing.T) {
	key, rec := NewKey("x"), &Record{IP: "10.0.0.1"}
	for name, tt := range map[string]struct {
		e     Event
		field string
	}{
		"a heartbeat":                   {Event{Key: key, Kind: Heartbeat, At: At(noon), Record: rec}, ""},
		"a short key":                   {Event{Key: "ab", Kind: Heartbeat, At: At(noon), Record: rec}, "key"},
		"no kind":                       {Event{Key: key, At: At(noon), Record: rec}, "kind"},
		"no time":                       {Event{Key: key, Kind: Heartbeat, Record: rec}, "at"},
		"no record":                     {Event{Key: key, Kind: Heartbeat, At: At(noon), RobotID: "r"}, "record"},
		"a record too many":             {Event{Key: key, Kind: Silent, At: At(noon), RobotID: "r", Record: rec}, "record"},
		"silence of nobody":             {Event{Key: key, Kind: Silent, At: At(noon)}, "robot_id"},
		"a record of another":           {Event{Key: key, Kind: Heartbeat, At: At(noon), RobotID: "r", Record: rec}, "robot_id"},
		"a record that cannot be taken": {Event{Key: key, Kind: Heartbeat, At: At(noon), Record: &Record{}}, "id"},
	} {
		t.Run(name, func(t *testing.T) { checkField(t, tt.e.Check(), tt.field) })
	}
}

func TestWhatWatchersAreTold(t *testing.T) {
	a := Robot{ID: "r", Status: Online, Lifecycle: Active, Seq: 1, LastSeen: At(noon), HeardAt: At(noon), Metadata: []byte(`{"battery":1}`)}
	b := a
	b.Seq, b.LastSeen, b.HeardAt, b.Metadata, b.Failures = 2, At(noon.Add(1)), At(noon.Add(1)), []byte(`{"battery":2}`), 1
	if Differs(a, b) {
		t.Error("times, counts and metadata are told")
	}
	b.Teleoperation = true
	if !Differs(a, b) {
		t.Error("that somebody drives it is not told")
	}
}
