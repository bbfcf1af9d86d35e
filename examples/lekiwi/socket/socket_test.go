package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// keeper keeps heartbeats when the test lets it, in their order.
type keeper struct {
	mu    sync.Mutex
	waits []func(error)
}

func (k *keeper) take(_ api.Heartbeat, done func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waits = append(k.waits, done)
}

func (k *keeper) waiting() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.waits)
}

// answer answers the oldest.
func (k *keeper) answer(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waits[0](err)
	k.waits = k.waits[1:]
}

func TestHeartbeatsAreAckedInOrder(t *testing.T) {
	k := &keeper{}
	url, stop := serve(t, &Server{Take: k.take})
	ctx, ws := dial(t, url)
	for n := range uint64(4) {
		say(ctx, t, ws, api.Message{Type: api.TypeHeartbeat, N: n + 1, Heartbeat: &api.Heartbeat{}})
	}
	await(t, func() bool { return k.waiting() == 4 })
	k.answer(nil)
	if m := hear(ctx, t, ws, api.TypeAck); m.N != 1 {
		t.Errorf("acked %d", m.N)
	}
	k.answer(&robot.InvalidError{Field: "id", Why: "is missing"})
	if m := hear(ctx, t, ws, api.TypeError); m.N != 2 || m.Field != "id" {
		t.Errorf("refused %+v", m)
	}
	t.Run("and at its end a server answers for what it has taken", func(t *testing.T) {
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		time.Sleep(20 * time.Millisecond) // it would have ended by then
		select {
		case <-stopped:
			t.Fatal("it has ended with heartbeats unanswered")
		default:
		}
		k.answer(nil)
		k.answer(nil)
		for {
			if m := hear(ctx, t, ws, api.TypeAck); m.N == 4 {
				break
			}
		}
		_, _, err := ws.Read(ctx)
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("closed: %v", err)
		}
		<-stopped
	})
}

func TestAfterAHeartbeatThatWasNotKeptNoneIsAcked(t *testing.T) {
	k := &keeper{}
	url, _ := serve(t, &Server{Take: k.take})
	ctx, ws := dial(t, url)
	for n := range uint64(3) {
		say(ctx, t, ws, api.Message{Type: api.TypeHeartbeat, N: n + 1, Heartbeat: &api.Heartbeat{}})
	}
	await(t, func() bool { return k.waiting() == 3 })
	k.answer(nil)
	k.answer(errors.New("away"))
	k.answer(nil)
	acked := uint64(0)
	for {
		var m api.Message
		err := wsjson.Read(ctx, ws, &m)
		if err == nil {
			acked = max(acked, m.N)
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusTryAgainLater || acked != 1 {
			t.Errorf("closed with %v, acked %d: want 1013, and 1", err, acked)
		}
		return
	}
}

func TestWatchersAreToldOfTheirTopics(t *testing.T) {
	hub := &Hub{}
	url, _ := serve(t, &Server{Hub: hub, Mode: func() string { return api.ModePoll }})
	ctx, ws := dial(t, url)
	if m := hear(ctx, t, ws, api.TypeHello); m.Mode != api.ModePoll {
		t.Errorf("%+v", m)
	}
	say(ctx, t, ws, api.Message{Type: api.TypeSubscribe, Topics: []string{"robot:a", "type:xlerobot", "teleoperation"}})
	if m := hear(ctx, t, ws, api.TypeSubscribed); len(m.Topics) != 3 {
		t.Errorf("%+v", m)
	}
	say(ctx, t, ws, api.Message{Type: api.TypeSubscribe, Topics: []string{"weather"}})
	if m := hear(ctx, t, ws, api.TypeError); m.Field != "topics" {
		t.Errorf("%+v", m)
	}
	seq := int64(0)
	change := func(id string, kind robot.Type, driven bool) api.Change {
		seq++
		return api.Change{Seq: seq, RobotID: id, Robot: &robot.Robot{ID: id, Type: kind, Teleoperation: driven}}
	}
	told := func(want ...int64) {
		t.Helper()
		for _, n := range want {
			if m := hear(ctx, t, ws, api.TypeState); m.Change.Seq != n {
				t.Fatalf("told of %d, want %d", m.Change.Seq, n)
			}
		}
	}
	hub.Tell([]api.Change{
		change("a", robot.Lekiwi, false),  // 1: of the robot
		change("b", robot.Lekiwi, false),  // 2: of none
		change("b", robot.Lekiwi, true),   // 3: is driven
		change("c", robot.XLERobot, true), // 4: by two topics, once
	}, false)
	told(1, 3, 4)
	hub.Tell([]api.Change{change("b", robot.Lekiwi, false), change("b", robot.Lekiwi, false)}, false)
	told(5) // no longer; then it is nobody's
	hub.Tell([]api.Change{change("a", robot.Lekiwi, false), change("a", robot.Lekiwi, true), change("b", robot.Lekiwi, false)}, true)
	hub.Tell([]api.Change{{Seq: 10, RobotID: "c"}, change("a", robot.XLERobot, false)}, false)
	told(10, 10) // c was driven and is gone; a's newest state, and what waited of it is told no more
	hub.Tell([]api.Change{change("a", robot.Lekiwi, false), change("a", robot.Lekiwi, true)}, true)
	hub.Flush()
	told(12)
	say(ctx, t, ws, api.Message{Type: api.TypeUnsubscribe, Topics: []string{"type:xlerobot", "teleoperation"}})
	if m := hear(ctx, t, ws, api.TypeSubscribed); len(m.Topics) != 1 || m.Topics[0] != "robot:a" {
		t.Errorf("%+v", m)
	}
}

func TestAWatcherWhoIsSlowIsToldTheNewestOfEach(t *testing.T) {
	c := &conn{wake: make(chan struct{}, 1)}
	for i := range 1000 {
		c.state(fmt.Sprint(i%3), fmt.Appendf(nil, "%d", i))
	}
	var got []string
	for _, body := range c.next() {
		got = append(got, string(body))
	}
	if strings.Join(got, " ") != "999 997 998" {
		t.Errorf("%v", got)
	}
	if c.state("0", []byte("x")); len(c.next()) != 1 {
		t.Error("what was told is told again")
	}
}

func TestWhoIsSilentIsDroppedAndWhoAnswersIsNot(t *testing.T) {
	s := &Server{Hub: &Hub{}, Ping: 100 * time.Millisecond, DropAfter: 600 * time.Millisecond}
	url, _ := serve(t, s)
	ctx, silent := dial(t, url)
	_, talks := dial(t, url)
	ended := make(chan error, 1)
	go func() {
		for {
			var m api.Message
			if err := wsjson.Read(ctx, talks, &m); err != nil {
				ended <- err
				return
			}
			if m.Type == api.TypePing {
				_ = wsjson.Write(ctx, talks, api.Message{Type: api.TypePong})
			}
		}
	}()
	for {
		_, _, err := silent.Read(ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("closed: %v", err)
		}
		break
	}
	await(t, func() bool { return s.Count() == 1 && s.Dropped() == 1 })
	time.Sleep(700 * time.Millisecond) // longer than silence is borne
	select {
	case err := <-ended:
		t.Errorf("who answers was dropped: %v", err)
	default:
	}
}

func serve(t testing.TB, s *Server) (url string, stop func()) {
	t.Helper()
	s.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	web := httptest.NewServer(s)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(func() { stop(); web.Close() })
	return "ws" + strings.TrimPrefix(web.URL, "http"), stop
}

func dial(t *testing.T, url string) (context.Context, *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ctx, ws
}

func say(ctx context.Context, t *testing.T, ws *websocket.Conn, m api.Message) {
	t.Helper()
	if err := wsjson.Write(ctx, ws, m); err != nil {
		t.Fatal(err)
	}
}

// hear waits for a message of a type; pings and the hello are in between.
func hear(ctx context.Context, t *testing.T, ws *websocket.Conn, kind string) api.Message {
	t.Helper()
	for {
		var m api.Message
		if err := wsjson.Read(ctx, ws, &m); err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		switch {
		case m.Type == kind:
			return m
		case m.Type != api.TypePing && m.Type != api.TypeHello:
			t.Fatalf("heard %+v, want %s", m, kind)
		}
	}
}

func await(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// One who does not take what is written to it is let go, whatever it still says;
// who takes it stays.
func TestWhoDoesNotTakeWhatIsWrittenIsLetGo(t *testing.T) {
	s := &Server{Hub: &Hub{}, Ping: 200 * time.Millisecond, DropAfter: time.Hour, TakeWithin: time.Second}
	url, _ := serve(t, s)
	for range 2 {
		ctx, ws := dial(t, url)
		say(ctx, t, ws, api.Message{Type: api.TypeSubscribe, Topics: []string{api.TopicRobots}})
		hear(ctx, t, ws, api.TypeSubscribed)
		if s.Count() == 1 { // the first one takes all there is
			go func() {
				for {
					if _, _, err := ws.Read(ctx); err != nil {
						return
					}
				}
			}()
		}
	}
	long := strings.Repeat("x", 4000)
	for n := range 5000 { // more than waits in sockets
		s.Hub.Tell([]api.Change{{RobotID: fmt.Sprint(n, long)}}, false)
	}
	await(t, func() bool { return s.Dropped() > 0 && s.Count() == 1 })
	if s.Dropped() != 1 {
		t.Errorf("%d were let go", s.Dropped())
	}
}
