package teleoperation_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	. "github.com/segue-run/segue/examples/lekiwi/lekiwitest" //nolint:staticcheck // the words of the test
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
	"github.com/segue-run/segue/examples/lekiwi/teleoperation"
)

func TestTeleoperation(t *testing.T) {
	w := Start(t)
	state, err := stateclient.New([]string{w.StateURL})
	Check(t, err)
	n := 0
	says := func(id string, status robot.Reported, driven bool) {
		t.Helper()
		n++
		now := robot.At(time.Now())
		_, err := state.Append(t.Context(), []robot.Event{{
			Key: robot.NewKey(fmt.Sprint(n)), RobotID: id, Kind: robot.Heartbeat, At: now,
			Record: &robot.Record{ID: id, Status: status, Teleoperation: driven, LastSeen: now},
		}})
		Check(t, err)
	}
	says("a", robot.Running, false)
	says("b", robot.Running, false)
	says("stopped", robot.Stopped, false)
	says("driven", robot.Running, true) // before the service is there
	addr := FreeAddr(t)
	base := "http://" + addr + api.PathSessions
	stop := Run(t, "http://"+addr, teleoperation.Run, teleoperation.Config{
		Addr: addr, DatabaseURL: w.Stores.DatabaseURL, StateURLs: []string{w.StateURL}, MigrationConfig: w.MigrationConfig,
	})
	list := func(query string) []api.Session {
		var got api.Sessions
		Send(t, http.MethodGet, base+"?"+query, "", &got)
		return got.Sessions
	}

	var session api.Session
	t.Run("an operator drives a robot, and no other does", func(t *testing.T) {
		if code := Send(t, http.MethodPost, base, `{"robot_id":"a","operator":"ann"}`, &session); code != 201 || session.Operator != "ann" || session.Source != api.SourceOperator {
			t.Fatalf("%d %+v", code, session)
		}
		var bad api.Error
		if code := Send(t, http.MethodPost, base, `{"robot_id":"a","operator":"bob"}`, &bad); code != 409 || !strings.Contains(bad.Error, "ann") {
			t.Errorf("%d %+v", code, bad)
		}
	})
	t.Run("of many who ask at once, one does", func(t *testing.T) {
		var all sync.WaitGroup
		var got atomic.Int64
		for i := range 20 {
			all.Go(func() {
				if Send(t, http.MethodPost, base, fmt.Sprintf(`{"robot_id":"b","operator":"o%d"}`, i), nil) == 201 {
					got.Add(1)
				}
			})
		}
		all.Wait()
		if got.Load() != 1 || len(list("robot_id=b&active=true")) != 1 {
			t.Errorf("%d drive it", got.Load())
		}
	})
	t.Run("what cannot be is refused", func(t *testing.T) {
		for body, want := range map[string]int{
			`{"robot_id":"nobody","operator":"ann"}`: 404, `{"robot_id":"stopped","operator":"ann"}`: 409, `{"operator":"ann"}`: 400, `{"robot_id":"a"}`: 400,
		} {
			if code := Send(t, http.MethodPost, base, body, nil); code != want {
				t.Errorf("%s: %d, want %d", body, code, want)
			}
		}
		for body, want := range map[string]int{`{"latency_ms":-1}`: 400, `{"packet_loss":2}`: 400, `{"latency_ms":1}`: 404} {
			if code := Send(t, http.MethodPost, base+"/nobody/quality", body, nil); code != want {
				t.Errorf("quality %s: %d, want %d", body, code, want)
			}
		}
	})
	t.Run("quality is written each time without the flag, and soon with it", func(t *testing.T) {
		for _, on := range []bool{false, true} {
			want := 200
			if on {
				w.Flags(t, rollout.TeleoperationOptimization)
				want = 202
				Await(t, "the flag", func() bool {
					var h api.Health
					Send(t, http.MethodGet, "http://"+addr+"/health", "", &h)
					return h.Flags[rollout.TeleoperationOptimization]
				})
			}
			for i := range 5 {
				if code := Send(t, http.MethodPost, base+"/"+session.ID+"/quality", fmt.Sprintf(`{"latency_ms":%d,"packet_loss":0.5}`, 10*want+i), nil); code != want {
					t.Errorf("with the flag %t: %d", on, code)
				}
			}
			seen := func() bool {
				var now api.Session
				Send(t, http.MethodGet, base+"/"+session.ID, "", &now)
				return now.Quality != nil && now.Quality.LatencyMS == float64(10*want+4)
			}
			if !on && !seen() {
				t.Error("it was not written when it was answered")
			}
			Await(t, "the newest sample", seen)
		}
	})
	t.Run("it stops once", func(t *testing.T) {
		Send(t, http.MethodPost, base+"/"+session.ID+"/quality", `{"latency_ms":7,"packet_loss":0}`, nil)
		var ended, again api.Session
		Send(t, http.MethodDelete, base+"/"+session.ID, "", &ended)
		Send(t, http.MethodDelete, base+"/"+session.ID, "", &again)
		if ended.EndedAt == nil || again.EndedAt == nil || !ended.EndedAt.Equal(*again.EndedAt) || ended.Quality.LatencyMS != 7 {
			t.Errorf("%+v, then %+v", ended, again)
		}
		if code := Send(t, http.MethodPost, base+"/"+session.ID+"/quality", `{"latency_ms":1}`, nil); code != 409 {
			t.Errorf("quality of one that has ended: %d", code)
		}
		if code := Send(t, http.MethodPost, base, `{"robot_id":"a","operator":"bob"}`, nil); code != 201 {
			t.Errorf("and the robot is free: %d", code)
		}
	})
	t.Run("what robots say of themselves is observed, and taken over", func(t *testing.T) {
		Await(t, "who was driven before", func() bool {
			got := list("robot_id=driven&active=true")
			return len(got) == 1 && got[0].Source == api.SourceObserved
		})
		if code := Send(t, http.MethodPost, base, `{"robot_id":"driven","operator":"ann"}`, &session); code != 201 || session.Source != api.SourceOperator {
			t.Errorf("%d %+v", code, session)
		}
		says("stopped", robot.Running, true)
		Await(t, "who is driven now", func() bool { return len(list("robot_id=stopped&active=true")) == 1 })
		says("stopped", robot.Running, false)
		says("driven", robot.Running, false)
		Await(t, "who no longer is", func() bool { return len(list("robot_id=stopped&active=true")) == 0 })
		if len(list("robot_id=driven&active=true")) != 1 {
			t.Error("an operator's session has ended because the robot said so")
		}
		Await(t, "the gauge", func() bool { // a, b, driven
			return strings.Contains(Page(t, "http://"+addr+"/metrics"), "\n"+`teleoperation_sessions_active{system="new"} 3`)
		})
	})
	t.Run("PostgreSQL is away: 503, the gauge is absent, and no restart when it is back", func(t *testing.T) {
		w.Stores.StopPostgres()
		if code := Send(t, http.MethodGet, base, "", nil); code != 503 {
			t.Errorf("%d", code)
		}
		Await(t, "the gauge to go", func() bool {
			return !strings.Contains(Page(t, "http://"+addr+"/metrics"), "\nteleoperation_sessions_active")
		})
		Check(t, w.Stores.StartPostgres())
		Await(t, "an answer", func() bool { return Send(t, http.MethodGet, base, "", nil) == 200 })
	})
	t.Run("what was accepted is written at its end", func(t *testing.T) {
		Send(t, http.MethodPost, base+"/"+session.ID+"/quality", `{"latency_ms":33,"packet_loss":0}`, nil)
		stop()
		addr := FreeAddr(t)
		Run(t, "http://"+addr, teleoperation.Run, teleoperation.Config{Addr: addr, DatabaseURL: w.Stores.DatabaseURL, StateURLs: []string{w.StateURL}, MigrationConfig: w.MigrationConfig})
		var now api.Session
		if Send(t, http.MethodGet, "http://"+addr+api.PathSessions+"/"+session.ID, "", &now); now.Quality == nil || now.Quality.LatencyMS != 33 {
			t.Errorf("%+v", now)
		}
	})
}
