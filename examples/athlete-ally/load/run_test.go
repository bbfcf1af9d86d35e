package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slow answers every message after a while, as a system in trouble does.
type slow struct {
	takes time.Duration
	sent  atomic.Int64
}

func (s *slow) send(_ context.Context, m *message) {
	time.Sleep(s.takes) // in a bubble: no time passes
	s.sent.Add(1)
	m.Outcome, m.Code = Acked, http.StatusAccepted
}

func TestLatencyCountsFromWhenAMessageWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := bubble(t, 100, 500*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		r.schedule(ctx)
		if err := r.finish(); err != nil {
			t.Fatal(err)
		}
		if got := s.sent.Load(); got < 199 || got > 201 {
			t.Errorf("%d messages in 2 s at 100/s: the generator waited for the system", got)
		}
		// A lane takes two messages a second and gets about three: the last
		// ones wait.
		if c := r.stats.read(time.Now()).Total; c.P50 < 500 || c.Max < 1500 {
			t.Errorf("p50 %v ms, max %v ms: the wait in the lane is not in it", c.P50, c.Max)
		}
	})
}

func TestWhatIsStuckIsAbandonedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t, 100, 20*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.schedule(ctx)
		if err := r.finish(); err == nil {
			t.Error("no error, though the lanes were not empty in time")
		}
	})
}

func bubble(t *testing.T, rate float64, takes time.Duration) (*runner, *slow) {
	t.Helper()
	j, err := createJournal(filepath.Join(t.TempDir(), "j.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.close() })
	s := &slow{takes: takes}
	cfg := Config{Rate: rate, Seed: 1, Run: "b", Users: 5, Journal: "j"}
	r := &runner{cfg: cfg, journal: j, lanes: map[string]chan *message{}, target: &target{senders: map[Via]sender{HTTP: s, JetStream: s, Core: s}}}
	r.stats = newStats(rate, time.Now(), r.backlog)
	return r, s
}

func TestHTTPOutcomes(t *testing.T) {
	var code int
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"duplicate":%v,"stream":"S","seq":7}`, code == http.StatusOK)
	}))
	defer web.Close()
	via := viaHTTP{web.Client(), web.URL, "s"}
	for _, tt := range []struct {
		code int
		want Outcome
	}{{202, Acked}, {200, Duplicate}, {400, Rejected}, {401, Rejected}, {503, Unavailable}, {500, Unavailable}} {
		code = tt.code
		m := draw(testPlan(5), 1)[0]
		m.Kind = Oura
		via.send(t.Context(), &m)
		if m.Outcome != tt.want || m.Code != tt.code || m.Seq != 7 {
			t.Errorf("status %d: %+v", tt.code, m.Record)
		}
	}
	web.Close()
	m := draw(testPlan(5), 1)[0]
	via.send(t.Context(), &m)
	if m.Outcome != Failed || m.Error == "" {
		t.Errorf("no server: %+v", m.Record)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Rate: -1}, {Rate: 5, Users: 1, Run: "a b", Journal: "j"}, {Rate: 5, Users: 1, Run: "a"}, {Rate: 5, Users: 1, Run: "segue-probe-a", Journal: "j"}} {
		if _, err := Run(t.Context(), cfg); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%+v is taken: %v", cfg, err)
		}
	}
}
