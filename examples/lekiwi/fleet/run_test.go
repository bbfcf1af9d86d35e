package fleet

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func run(t *testing.T, cfg Config) (Stats, Journal) {
	t.Helper()
	stats, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := ReadJournal(cfg.Journal)
	if err != nil {
		t.Fatal(err)
	}
	return stats, journal
}

func TestWhatIsAckedIsKeptInOrderByASystemThatFails(t *testing.T) {
	p := newPeer(t, 23)
	stats, journal := run(t, p.config(t))
	if len(journal.Robots) != 60 {
		t.Errorf("the journal has %d robots", len(journal.Robots))
	}
	kept := p.ids()
	next := map[string]int{}
	repeats, beats := 0, 0
	for _, s := range journal.Sent {
		if s.Kind != Heartbeat {
			continue
		}
		beats++
		repeats += s.Tries - 1
		if s.Outcome != Acked || s.Due > s.SentAt || s.SentAt > s.DoneAt {
			t.Errorf("a patient robot's heartbeat: %+v", s)
		}
		if s.N != next[s.Robot] {
			t.Errorf("%s: heartbeat %d settled when %d was awaited", s.Robot, s.N, next[s.Robot])
		}
		next[s.Robot]++
	}
	if beats < 590 || beats > 660 || repeats == 0 || len(kept) != beats {
		t.Errorf("%d heartbeats, %d repeats, %d kept", beats, repeats, len(kept))
	}
	for key, ids := range p.kept {
		if !slices.IsSortedFunc(ids, func(a, b string) int { return number(a) - number(b) }) {
			t.Errorf("%s is kept as %q", key, ids)
		}
	}
	counted := stats.Kinds["heartbeat http"].Acked + stats.Kinds["heartbeat websocket"].Acked
	if counted != beats || stats.Requests.Errors != 0 {
		t.Errorf("the statistics count %d: %+v", counted, stats)
	}
}

// number is the count in a message's id; ids by content sort by themselves.
func number(id string) int {
	_, n, ok := strings.Cut(id[max(0, strings.LastIndexByte(id, '/')):], "/")
	if !ok {
		return 0
	}
	out := 0
	for _, c := range n {
		out = 10*out + int(c-'0')
	}
	return out
}

func TestOperatorsPollWatchAndDrive(t *testing.T) {
	p := newPeer(t, 0)
	cfg := p.config(t)
	cfg.Duration = 2 * time.Second
	stats, journal := run(t, cfg)
	begun, ended := map[string]string{}, 0
	for _, s := range journal.Sent {
		switch s.Kind {
		case Start:
			begun[s.ID] = s.Robot + " " + s.Operator
		case Stop:
			ended++
		case Heartbeat, Poll, Quality:
		}
	}
	if len(begun) < 35 || ended != len(begun) || len(p.sessions) != len(begun) {
		t.Errorf("%d sessions begun, %d ended, %d there", len(begun), ended, len(p.sessions))
	}
	for id, session := range p.sessions {
		if begun[id] != session.RobotID+" "+session.Operator || session.EndedAt == nil {
			t.Errorf("session %+v is %q to the fleet", session, begun[id])
		}
	}
	if polls := stats.Kinds["poll http"]; polls.Acked < 190 || polls.Acked != p.polls {
		t.Errorf("polls: %+v, and the peer saw %d", polls, p.polls)
	}
	// Each heartbeat over WebSocket reaches each watcher here.
	if f := stats.Fanout; f.Connected != 20 || f.Drops != 0 || f.Measured < 19*stats.Kinds["heartbeat websocket"].Acked || f.P99 <= 0 {
		t.Errorf("the watchers: %+v, of %d", f, stats.Kinds["heartbeat websocket"].Acked)
	}
}

func TestLatencyCountsFromWhenAHeartbeatWasDue(t *testing.T) {
	p := newPeer(t, 0)
	cfg := p.config(t)
	cfg.Drives, cfg.Polls, cfg.Watchers = 0, 0, 0
	held := make(chan struct{})
	cfg.Ready = func() {
		p.mu.Lock() // the system stands still
		go func() {
			<-held
			p.mu.Unlock()
		}()
	}
	time.AfterFunc(700*time.Millisecond, func() { close(held) })
	stats, _ := run(t, cfg)
	for _, kind := range []string{"heartbeat http", "heartbeat websocket"} {
		// A robot reports every 100 ms. One that counted from when it got to
		// sending would have one slow heartbeat of ten.
		if c := stats.Kinds[kind]; c.P50 < 150 || c.Max < 600 || c.Sent < 200 {
			t.Errorf("%s after a standstill of 700 ms: %+v", kind, c)
		}
	}
}

func TestASystemThatNeverAnswersIsNoSuccess(t *testing.T) {
	p := newPeer(t, 1)
	cfg := p.config(t)
	cfg.Watchers, cfg.Drives, cfg.Polls, cfg.Finish = 0, 0, 0, 100*time.Millisecond
	if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "not answered") {
		t.Errorf("error = %v", err)
	}
	journal, err := ReadJournal(cfg.Journal)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[Outcome]int{}
	for _, s := range journal.Sent {
		outcomes[s.Outcome]++
	}
	if outcomes[Acked] != 0 || outcomes[Failed] < 200 || outcomes[Unavailable] == 0 || outcomes[Failed]+outcomes[Unavailable] < 590 {
		t.Errorf("outcomes: %v", outcomes)
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	good := newPeer(t, 0).config(t)
	for want, change := range map[string]func(*Config){
		"run":        func(c *Config) { c.Run = "a/b" },
		"journal":    func(c *Config) { c.Journal = "" },
		"robots":     func(c *Config) { c.Robots = 0 },
		"share":      func(c *Config) { c.WebSocketShare = 2 },
		"watchers":   func(c *Config) { c.Watchers = -1 },
		"heartbeats": func(c *Config) { c.Heartbeats = -1 },
		"url":        func(c *Config) { c.URL = "localhost:8000" },
		"sessions":   func(c *Config) { c.SessionsURL = "ftp://x" },
	} {
		cfg := good
		change(&cfg)
		if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want one about %s", err, want)
		}
	}
}

// Robots that renew their WebSockets lose nothing by it, and operators begin to
// drive when they are told that they can.
func TestRobotsRenewAndOperatorsWait(t *testing.T) {
	p := newPeer(t, 0)
	cfg := p.config(t)
	cfg.Duration, cfg.Renew = 2*time.Second, 300*time.Millisecond
	driving := make(chan struct{})
	cfg.Driving = driving
	var began time.Time
	time.AfterFunc(time.Second, func() { began = time.Now(); close(driving) })
	stats, journal := run(t, cfg)
	<-driving
	for _, s := range journal.Sent {
		if s.Kind == Heartbeat && s.Outcome != Acked {
			t.Errorf("a heartbeat was not acknowledged: %+v", s)
		}
		if s.Kind == Start && s.SentAt < began.UnixNano() {
			t.Errorf("%s drove before anybody could", s.Operator)
		}
	}
	if beats := stats.Kinds["heartbeat websocket"]; beats.Acked == 0 || beats.Repeats != 0 {
		t.Errorf("over WebSocket: %+v", beats)
	}
	if n := stats.Kinds["start http"].Acked; n == 0 {
		t.Error("nobody drove")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if robots := len(Draw(cfg.Seed, cfg.Robots, cfg.WebSocketShare)); p.opened < 3*robots/2 {
		t.Errorf("%d WebSockets were opened for %d robots, half of whom use them", p.opened, robots)
	}
}
