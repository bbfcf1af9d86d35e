package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/state"
)

func TestProbeWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		Slow:             true,
		Secrets:          []string{signingSecret, postgrestest.Password, natstest.Password},
		AlwaysActs:       true,
		NothingToDisturb: true,
		ObserveOnly:      []string{"probed", "id", "status", "stored", "acknowledged", "rows", "row", "metric"},
		World: func(t testing.TB) drivertest.World {
			s := newSystem(t)
			made := s.probe()
			t.Cleanup(func() { s.becomes(untouched) })
			return drivertest.World{Action: func() driver.Action { return made.Again("Probe") }}
		},
	})
}

// ledger is an effect whose cursor outlives it.
type ledger struct{ cursor json.RawMessage }

func (l *ledger) effect(t *testing.T, a driver.Action) driver.Effect {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Effect{
		Before: before, Want: want, Cursor: l.cursor,
		Mine: func() error { return nil },
		Save: func(_ context.Context, cursor any) (err error) {
			l.cursor, err = json.Marshal(cursor)
			return err
		},
	}
}

func apply(t *testing.T, a driver.Action) (state.Fields, error) {
	t.Helper()
	l := &ledger{}
	after, err := a.Apply(t.Context(), l.effect(t, a))
	for _, f := range after {
		return f, err
	}
	return nil, err
}

func TestProbeSeesItEverywhereAndLeavesNothing(t *testing.T) {
	s := newSystem(t)
	seen, err := apply(t, s.probe().Actions["Probe"])
	if err != nil {
		t.Fatal(err)
	}
	s.becomes(untouched)
	for name, want := range map[string]string{
		"probed": "true", "left-behind": "false", "status": "202", "acknowledged": `"normalize-oura"`,
		"stored": fmt.Sprintf(`{"seq":3,"stream":%q}`, s.stream), "rows": "1", "row": `{"event_type":"daily_activity"}`,
		"metric": `{"after":1,"before":0}`,
	} {
		if string(seen[name]) != want {
			t.Errorf("%s is %s, want %s", name, seen[name], want)
		}
	}
	if id := string(seen["id"]); !strings.HasPrefix(id, `"segue-probe-phase1-`) {
		t.Errorf("the id is %s", id)
	}
}

func TestProbeIsSentAgainWhileTheServerIsBusy(t *testing.T) {
	for name, prepare := range map[string]func(*system){
		"refused":           func(s *system) { s.refuse.Store(2) },
		"stored and failed": func(s *system) { s.refuse.Store(2); s.late.Store(true) },
		"too many requests": func(s *system) { s.limit.Store(2) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			prepare(s)
			if _, err := apply(t, s.probe().Actions["Probe"]); err != nil {
				t.Fatal(err)
			}
			if n := s.requests.Load(); n != 3 {
				t.Errorf("%d requests, want 3", n)
			}
			s.becomes(untouched)
		})
	}
}

// Each fault is found, named, and leaves nothing behind: the negative control.
func TestProbeFindsTheFault(t *testing.T) {
	short := []string{"within: 30s", "within: 3s"}
	for name, c := range map[string]struct {
		prepare func(*system)
		edits   []string
		want    []string
		left    string
	}{
		"another stream stores it": {
			func(s *system) { s.astray.Store(true) }, short,
			[]string{"answered 202", "is stored as message 1 of stream OLD", "belongs in HOT"},
			untouched,
		},
		"it is stored twice": {func(s *system) { s.doubled.Store(true) }, short, []string{"stored twice: as message 4"}, untouched},
		"it is dead-lettered": {
			func(s *system) { s.dead.Store(true) }, short,
			[]string{"stored as message 3", "dead-lettered: message 1 of stream OLD"},
			untouched,
		},
		"nobody acknowledges it": {
			func(s *system) { s.asleep.Store(true) }, short,
			[]string{"normalize-oura has not acknowledged it (0 pending, 1 delivered", "not within 3s"},
			untouched,
		},
		"the row never comes": {
			func(s *system) { s.lazy.Store(true) }, short,
			[]string{"acknowledged by normalize-oura", "gives 0 rows", "rows.size() == 1", "not within 3s"},
			untouched,
		},
		"the number does not grow": {func(s *system) { s.mute.Store(true) }, short, []string{"in the database", "the number stays at 0", "not within 3s"}, untouched},
		"the signature is wrong": {
			nil,
			[]string{`sign-secret: "${OURA_WEBHOOK_SECRET}"`, "sign-secret: another-secret"},
			[]string{"answered 401, expected 200 or 202", "not this body's signature"},
			untouched,
		},
		"nothing is there to store it": {nil, []string{"stream: STREAM", "stream: NOWHERE"}, []string{"before anything was sent", "no stream NOWHERE"}, untouched},
		"no such consumer":             {nil, append([]string{"consumer: normalize-oura", "consumer: nobody"}, short...), []string{"there is no such consumer"}, untouched},
		"nobody is there":              {nil, append([]string{"${INGEST_URL}", "http://127.0.0.1:1"}, short...), []string{"cannot be reached", "connection refused", "not within 3s"}, untouched},
		"a query that is none":         {nil, []string{"select event_type", "selekt event_type"}, []string{"before anything was sent", "syntax error"}, untouched},
		"what would hold anyway":       {nil, []string{"expect: rows.size() == 1", "expect: rows.size() < 2"}, []string{"holds already"}, untouched},
		"rows that undo leaves": {
			nil,
			[]string{`"delete from vendor_events where event_id = $1", `, ""},
			[]string{"undo leaves 1 rows", "still holds"},
			"2 0 2 1",
		},
		"a busy server": {func(s *system) { s.refuse.Store(1000) }, short, []string{"answered 503", "not within 3s"}, untouched},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			if c.prepare != nil {
				c.prepare(s)
			}
			_, err := apply(t, s.probe(c.edits...).Actions["Probe"])
			if err == nil {
				t.Fatal("nothing was found")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q, want %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a secret shows: %v", err)
			}
			s.becomes(c.left)
		})
	}
}

func TestACopyInAnotherStreamIsNoFaultAndIsTakenBack(t *testing.T) {
	s := newSystem(t)
	follower, mirror := "FOLLOWS_"+s.stream, "MIRRORS_"+s.stream
	s.addStream(jetstream.StreamConfig{Name: follower, Sources: []*jetstream.StreamSource{{Name: s.stream}}})
	s.addStream(jetstream.StreamConfig{Name: mirror, Mirror: &jetstream.StreamSource{Name: s.stream}})
	t.Cleanup(func() {
		_ = s.js.DeleteStream(context.Background(), follower)
		_ = s.js.DeleteStream(context.Background(), mirror)
	})
	// They follow once they have caught up.
	for _, name := range []string{follower, mirror} {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for caughtUp := false; !caughtUp; {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				t.Fatal("they do not follow")
			}
			stream, err := s.js.Stream(t.Context(), name)
			caughtUp = err == nil && stream.CachedInfo().State.Msgs == 2
		}
	}
	if _, err := apply(t, s.probe().Actions["Probe"]); err != nil {
		t.Fatal(err)
	}
	s.becomes(untouched)
	for _, name := range []string{follower, mirror} {
		stream, err := s.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if info := stream.CachedInfo(); info.State.Msgs != 2 || info.State.LastSeq != 3 {
			t.Errorf("%s holds %+v, want the two of somebody else", name, info.State)
		}
	}
}

func TestAProbeThatFailedIsTakenBackByUndoWhenItArrivesLate(t *testing.T) {
	s := newSystem(t)
	s.asleep.Store(true)
	made := s.probe("within: 30s", "within: 1s")
	l := &ledger{}
	a := made.Actions["Probe"]
	if _, err := a.Apply(t.Context(), l.effect(t, a)); err == nil {
		t.Fatal("nobody works, and it passes")
	}
	s.becomes(untouched)
	// The worker had the message all the time, and wakes.
	var cur struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(l.cursor, &cur); err != nil {
		t.Fatal(err)
	}
	postgrestest.Exec(t, s.dbURL, fmt.Sprintf("insert into vendor_events values ('%s', 'x'); insert into normalize_effects values ('%s')", cur.ID, cur.ID))
	a = made.Again("Probe")
	if err := a.Undo(t.Context(), l.effect(t, a)); err != nil {
		t.Fatal(err)
	}
	s.becomes(untouched)
}

func TestAProbeThatWasCleanNeedsNothingToBeUndone(t *testing.T) {
	s := newSystem(t)
	made := s.probe()
	l := &ledger{}
	a := made.Actions["Probe"]
	if _, err := a.Apply(t.Context(), l.effect(t, a)); err != nil {
		t.Fatal(err)
	}
	e := l.effect(t, a)
	_ = made.Conns["db"].Close()
	_ = made.Conns["bus"].Close()
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatalf("it asks what is away: %v", err)
	}
}

func TestAProbeIsCancelledPromptlyAndStillTakenBack(t *testing.T) {
	s := newSystem(t)
	s.asleep.Store(true)
	a := s.probe().Actions["Probe"]
	l := &ledger{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	e := l.effect(t, a)
	go func() { _, err := a.Apply(ctx, e); ended <- err }()
	s.becomes("3 0 1 1")
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("it goes on")
	}
	s.becomes(untouched)
}

func TestEachOfWhatIsAwaitedMayBeLeftOut(t *testing.T) {
	bus := []string{"bus: bus", "", "stream: STREAM", "", "subject: SUBJECT", "", "consumer: normalize-oura", ""}
	db := []string{
		"db: db", "", "query: select event_type from vendor_events where event_id = $1", "", `args: ["{id}"]`, "", "expect: rows.size() == 1", "",
		`undo: ["delete from vendor_events where event_id = $1", "delete from normalize_effects where message_id = $1"]`, "",
	}
	metrics := []string{"metrics: prom", "", `grows: 'sum(normalize_messages_total{result="processed",stream="STREAM"})'`, ""}
	for name, c := range map[string]struct {
		without [][]string
		left    string
	}{
		"bus alone":     {[][]string{db, metrics}, "2 0 2 2"}, // its worker's rows nobody has told it of
		"db alone":      {[][]string{bus, metrics}, "3 0 1 1"},
		"metrics alone": {[][]string{bus, db}, "3 0 2 2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			var edits []string
			for _, w := range c.without {
				edits = append(edits, w...)
			}
			if _, err := apply(t, s.probe(edits...).Actions["Probe"]); err != nil {
				t.Fatal(err)
			}
			s.becomes(c.left)
		})
	}
}
