package state_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/state"
)

func TestStateManager(t *testing.T) {
	w := newWorld(t)
	base := w.start(t, w.config(t, true))

	t.Run("its health says by which flags it goes", func(t *testing.T) {
		var h api.Health
		if code := get(t, base+"/health", &h); code != 200 || h.Status != api.Healthy || !h.Flags["persistent_state"] || h.Detail["writes"] != "through" {
			t.Errorf("%d %+v", code, h)
		}
	})
	t.Run("events become robots, and a repeat is none", func(t *testing.T) {
		batch := []robot.Event{heartbeat("a", "lekiwi", "running", "1"), heartbeat("b", "", "stopped", "1"), heartbeat("a", "lekiwi", "running", "2"), {Key: "short"}}
		var done api.Appended
		if code := post(t, base+api.PathEvents, api.Events{Events: batch}, &done); code != 200 || done.Appended != 3 || !done.Durable || len(done.Rejected) != 1 || done.Rejected[0].Index != 3 || done.Rejected[0].Field != "key" {
			t.Fatalf("%d %+v", code, done)
		}
		done = api.Appended{}
		post(t, base+api.PathEvents, api.Events{Events: append(batch[:2:2], batch[0])}, &done)
		if done.Appended != 0 || done.Duplicates != 3 {
			t.Errorf("again: %+v", done)
		}
		var r robot.Robot
		if code := get(t, base+api.PathV2Robots+"/a", &r); code != 200 || r.Version != "2" || r.Status != robot.Online || r.Lifecycle != robot.Discovered || string(r.Metadata) != `{"n":9007199254740993}` {
			t.Errorf("%d %+v", code, r)
		}
		if code := get(t, base+api.PathV2Robots+"/nobody", &api.Error{}); code != 404 {
			t.Errorf("of nobody: %d", code)
		}
	})
	t.Run("they are counted, listed and their deployments told", func(t *testing.T) {
		var c api.Count
		get(t, base+api.PathRobotCount, &c)
		if c.Total != 2 || c.ByType[robot.Lekiwi] != 1 || c.ByType[robot.TypeUnknown] != 1 || c.ByStatus[robot.Stopped] != 1 {
			t.Errorf("counts %+v", c)
		}
		var page api.RobotPage
		get(t, base+api.PathV2Robots+"?limit=1", &page)
		if len(page.Robots) != 1 || page.Robots[0].ID != "a" || page.Total != 2 || page.Next != "a" {
			t.Errorf("first page %+v", page)
		}
		page = api.RobotPage{}
		get(t, base+api.PathV2Robots+"?limit=2&after=a", &page)
		if len(page.Robots) != 1 || page.Robots[0].ID != "b" || page.Next != "" {
			t.Errorf("second page %+v", page)
		}
		var d api.Deployments
		get(t, base+api.PathDeployments, &d)
		if len(d.Deployments) != 1 || d.Deployments[0].From != "1" || d.Deployments[0].To != "2" {
			t.Errorf("deployments %+v", d)
		}
	})
	t.Run("who waits for a change is told of it, and of a heartbeat that changes nothing is not", func(t *testing.T) {
		var now api.Changes
		get(t, base+api.PathChanges, &now)
		told := make(chan api.Changes, 1)
		go func() {
			var c api.Changes
			get(t, fmt.Sprintf("%s%s?after=%d&wait=20", base, api.PathChanges, now.Next), &c)
			told <- c
		}()
		post(t, base+api.PathEvents, api.Events{Events: []robot.Event{heartbeat("a", "lekiwi", "running", "2"), heartbeat("a", "lekiwi", "failed", "2")}}, nil)
		c := <-told
		if len(c.Changes) != 1 || c.Changes[0].RobotID != "a" || c.Changes[0].Robot.Status != robot.Errored || c.Next != now.Next+2 {
			t.Errorf("told %+v after %d", c, now.Next)
		}
	})
	t.Run("an import is noted", func(t *testing.T) {
		var st api.SyncStatus
		get(t, base+api.PathSyncStatus, &st)
		if st.Status != "never" || st.Age != nil {
			t.Errorf("before: %+v", st)
		}
		var done api.Imported
		old := robot.Record{ID: "a", Version: "0", LastSeen: robot.At(time.Now().Add(-time.Hour))}
		post(t, base+api.PathImport, api.Robots{Robots: []robot.Record{old, {IP: "10.0.0.9", Hostname: "xle-9", LastSeen: robot.At(time.Now())}, {}}, Total: 7}, &done)
		if done.Imported != 2 || len(done.Rejected) != 1 || done.Rejected[0].Index != 2 {
			t.Errorf("imported %+v", done)
		}
		get(t, base+api.PathSyncStatus, &st)
		if st.Status != "ok" || st.Records != 2 || st.LegacyRobots != 7 || st.Robots != 3 || *st.Age > 60 {
			t.Errorf("after: %+v", st)
		}
		var r robot.Robot
		get(t, base+api.PathV2Robots+"/a", &r)
		if r.Version != "2" {
			t.Errorf("an old record was taken over: %+v", r)
		}
	})
	t.Run("counts are compared with the legacy system's", func(t *testing.T) {
		var check api.CountCheck
		get(t, base+api.PathRobotCheck, &check)
		if check.Match == nil || *check.Match || *check.Difference != 3-2 {
			t.Errorf("%+v", check)
		}
	})
	t.Run("a robot can be removed, and comes back as another", func(t *testing.T) {
		req, err := http.NewRequest(http.MethodDelete, base+api.PathV2Robots+"/b", nil) //nolint:noctx // a test
		fatal(t, err)
		resp, err := http.DefaultClient.Do(req)
		fatal(t, err)
		resp.Body.Close()
		if code := get(t, base+api.PathV2Robots+"/b", &api.Error{}); resp.StatusCode != 204 || code != 404 {
			t.Errorf("removed: %d, then %d", resp.StatusCode, code)
		}
		post(t, base+api.PathEvents, api.Events{Events: []robot.Event{heartbeat("b", "xle", "running", "1")}}, nil)
		var r robot.Robot
		if get(t, base+api.PathV2Robots+"/b", &r); r.Type != robot.XLERobot || r.Lifecycle != robot.Discovered {
			t.Errorf("back: %+v", r)
		}
	})
	t.Run("what the database does not take is rejected alone", func(t *testing.T) {
		bad := heartbeat("c", "", "running", "1")
		bad.Record.Metadata = robot.Metadata(`{"n":1e200000}`)
		var done api.Appended
		post(t, base+api.PathEvents, api.Events{Events: []robot.Event{heartbeat("d", "", "running", "1"), bad, heartbeat("e", "", "running", "1")}}, &done)
		if done.Appended != 2 || len(done.Rejected) != 1 || done.Rejected[0].Index != 1 {
			t.Errorf("%+v", done)
		}
	})
	t.Run("bad requests are refused by name", func(t *testing.T) {
		for _, query := range []string{"?limit=0", "?after=x", "?wait=99"} {
			if code := get(t, base+api.PathChanges+query, &api.Error{}); code != 400 {
				t.Errorf("%s: %d", query, code)
			}
		}
	})
	t.Run("two state-managers double no event", func(t *testing.T) {
		second := w.start(t, w.config(t, true))
		var batch []robot.Event
		for i := range 400 {
			batch = append(batch, heartbeat(fmt.Sprintf("twice-%d", i%50), "lekiwi", "running", "1"))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		appended, duplicates := 0, 0
		for i := range 8 {
			all.Go(func() {
				var done api.Appended
				post(t, []string{base, second}[i%2]+api.PathEvents, api.Events{Events: batch}, &done)
				mu.Lock()
				defer mu.Unlock()
				appended, duplicates = appended+done.Appended, duplicates+done.Duplicates
			})
		}
		all.Wait()
		if appended != 400 || duplicates != 7*400 {
			t.Errorf("appended %d, duplicates %d", appended, duplicates)
		}
	})
	t.Run("the read model built anew is equal", func(t *testing.T) {
		got := w.rebuild(t, false)
		if got.Differing != 0 || got.Robots < 50 || got.Events < 400 || got.Deployments != 1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("and one that was changed is found and replaced", func(t *testing.T) {
		w.exec(t, w.stores.DatabaseURL, "UPDATE robots SET status = 'error' WHERE id = 'twice-7'", "DELETE FROM robots WHERE id = 'a'")
		got := w.rebuild(t, true)
		if got.Differing != 2 || strings.Join(got.Examples, " ") != "robots/a robots/twice-7" || !got.Replaced {
			t.Errorf("%+v", got)
		}
		if again := w.rebuild(t, false); again.Differing != 0 {
			t.Errorf("after it was replaced: %+v", again)
		}
	})
	t.Run("events can be added and nothing else", func(t *testing.T) {
		for _, url := range []string{w.stores.DatabaseURL, w.stores.SuperURL} {
			for _, sql := range []string{"UPDATE events SET kind = 'silent'", "DELETE FROM events", "TRUNCATE events", "DELETE FROM events WHERE false"} {
				if err := w.try(t, url, sql); err == nil {
					t.Errorf("%s was done", sql)
				}
			}
		}
		if err := w.try(t, w.stores.DatabaseURL, "DROP TRIGGER append_only ON events"); err == nil {
			t.Error("the services' role can take the trigger away")
		}
	})
	t.Run("an event that is missing all the same is found", func(t *testing.T) {
		w.exec(t, w.stores.SuperURL, "ALTER TABLE events DISABLE TRIGGER append_only", "DELETE FROM events WHERE seq = 2", "ALTER TABLE events ENABLE TRIGGER append_only")
		conn, err := pgx.Connect(t.Context(), w.stores.DatabaseURL)
		fatal(t, err)
		defer conn.Close(context.Background())
		if _, err := state.Rebuild(t.Context(), conn, false); err == nil || !strings.Contains(err.Error(), "event 2 is missing") {
			t.Errorf("error %v", err)
		}
	})
}
