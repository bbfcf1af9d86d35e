package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/secret"
)

const everything = `notify: [{on: chat, to: ["#all"]}]`

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestWhatHappensIsToldOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, everything)
		drivers := &outlets{}
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		synctest.Wait()
		w.say(engine.PhaseStarted{Phase: "one", Attempt: 1}, engine.PhaseReady{Phase: "one"}, engine.CheckTurned{Check: "ok"})
		synctest.Wait()
		w.say(engine.PhaseDone{Phase: "one"}, engine.PhaseStarted{Phase: "two", Attempt: 1})
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		chat := drivers.named("chat")
		want(t, "told", chat.titles(), []string{
			"moving: run of moving made by ann", "moving: phase one: looking whether it may start", "moving: phase one starts", "moving: phase one is done", "moving: phase two: looking whether it may start",
		})
		all := chat.all()
		if text := all[4].Text; !strings.Contains(text, "phase 2 of 2") || !strings.Contains(text, "waits for approval by boss: segue approve two") {
			t.Errorf("of a phase that waits for people is told: %q", text)
		}
		if all[0].thread != "" || all[1].thread != "thread #all" || all[1].to != "#all" {
			t.Errorf("threads: %+v", all)
		}
		// Another process goes on: nothing is told twice, and the thread is the same.
		w.say(engine.PhaseReady{Phase: "two"})
		p = post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		all = chat.all()
		if len(all) != 6 || all[5].thread != "thread #all" {
			t.Errorf("after a restart: %+v", all)
		}
		want(t, "kept", states(t, disk)[:2], []string{"1 chat #all: delivered after 1", "3 chat #all: delivered after 1"})
	})
}

// A receiver that is down is tried ever more seldom; meanwhile all others are
// told, and what became of it is kept.
func TestAReceiverThatIsDownHoldsUpNobodyAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, `notify: [{on: chat, to: ["#a"]}, {on: other, to: ["#b"]}]`)
		drivers := &outlets{}
		chat := drivers.named("chat")
		start := time.Now()
		var when []time.Duration
		chat.fails = func(try int, _ driver.Notice) error {
			if when = append(when, time.Since(start)); try <= 9 {
				return errors.New("no route to host")
			}
			return nil
		}
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		w.say(engine.Completed{})
		synctest.Wait()
		want(t, "the other is told", drivers.named("other").titles(), []string{"moving: run of moving made by ann", "moving: the run is completed"})
		want(t, "kept", states(t, disk), []string{"1 chat #a: waits after 1", "1 other #b: delivered after 1", "3 other #b: delivered after 1"})
		time.Sleep(10 * time.Minute)
		want(t, "told in the end", chat.titles(), []string{"moving: the run is completed", "moving: run of moving made by ann"}) // its turn, after five
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		seconds := []time.Duration{0, 1, 3, 7, 15, 15, 16, 18, 22, 30}
		for i, s := range seconds {
			if got := when[i]; got != s*time.Second {
				t.Errorf("try %d after %s, want %ds", i+1, got, s)
			}
		}
	})
}

func TestWhatIsRefusedForGoodIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, everything)
		drivers := &outlets{}
		drivers.named("chat").fails = func(_ int, n driver.Notice) error {
			switch {
			case strings.Contains(n.Title, "made by"):
				return &driver.Undelivered{Err: errors.New("channel_not_found"), Never: true}
			case strings.Contains(n.Title, "phase one starts"):
				return fmt.Errorf("a payload that the receiver cannot bear")
			}
			return nil
		}
		w.say(engine.PhaseReady{Phase: "one"}, engine.PhaseDone{Phase: "one"})
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, 0)
		time.Sleep(2 * time.Hour)
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		want(t, "kept", states(t, disk), []string{"1 chat #all: given up after 1", "3 chat #all: given up after 65", "4 chat #all: delivered after 1"})
	})
}

func TestAReceiverThatAsksToWaitIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, disk := begun(t, everything)
		drivers := &outlets{}
		start := time.Now()
		drivers.named("chat").fails = func(try int, _ driver.Notice) error {
			if try == 1 {
				return &driver.Undelivered{Err: errors.New("429"), After: 37 * time.Second}
			}
			return nil
		}
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Hour)
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		if got := drivers.named("chat").all()[0].when.Sub(start); got != 37*time.Second {
			t.Errorf("told after %s", got)
		}
	})
}

// A process that dies while it tells does not know whether it has been heard:
// the next one tells again, under the same key.
func TestWhoDiesWhileTellingIsFollowedByOneThatTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, disk := begun(t, everything)
		drivers := &outlets{}
		chat := drivers.named("chat")
		chat.hang = true
		ctx, kill := context.WithCancel(t.Context())
		p := post(ctx, &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		synctest.Wait()
		kill()
		<-p.done
		if chat.tried() != 1 || len(states(t, disk)) != 0 {
			t.Fatalf("%d tries, kept: %v", chat.tried(), states(t, disk))
		}
		chat.hang = false
		p = post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		if all := chat.all(); len(all) != 1 || all[0].Key != id+"/1" {
			t.Errorf("told: %+v", all)
		}
	})
}

// The end of a run waits for no receiver longer than it was told to.
func TestTheEndWaitsForNoReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, `notify: [{on: chat, to: ["#a"]}, {on: other, to: ["#b"]}]`)
		drivers := &outlets{}
		drivers.named("chat").hang = true
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, 5*time.Second)
		w.say(engine.Completed{})
		start := time.Now()
		left, err := p.end()
		if took := time.Since(start); left != 2 || err != nil || took > 6*time.Second {
			t.Errorf("%d left after %s, %v", left, took, err)
		}
		want(t, "told", drivers.named("other").titles(), []string{"moving: run of moving made by ann", "moving: the run is completed"})
	})
}

// Pagers hear of incidents only, and of their end also where its severity alone
// would not be told.
func TestPagersKeepIncidents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, `guards: [{check: ok, do: pause, severity: P1}, {name: small, check: ok, do: notify, severity: P3}]
notify: [{on: pager, severity: P2}, {on: chat, to: ["#a"], severity: P2}]
escalation: {path: [{after: 5m, contact: on-call, via: [pager, chat]}]}`)
		drivers := &outlets{}
		t.Setenv("PAGER_KEY", "s3cr3t-k3y")
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		w.say(engine.GuardTripped{Guard: "small", Do: "notify", Severity: "P3"}, engine.GuardTripped{Guard: "ok", Do: "pause", Severity: "P1"}, engine.Paused{Why: "guard ok", By: "guard:ok"},
			engine.Escalated{Rung: 0, Contact: "on-call", After: 5 * time.Minute, Severity: "P1", Why: "guard ok"},
			engine.SignalTaken{Message: 1, Signal: engine.Signal{Kind: engine.SignalAck, Actor: "bo"}},
			engine.GuardQuiet{Guard: "small"}, engine.GuardQuiet{Guard: "ok"},
			engine.SignalTaken{Message: 2, Signal: engine.Signal{Kind: engine.SignalResume, Actor: "bo"}}, engine.Completed{})
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		var turns []string
		for _, h := range drivers.named("pager").all() {
			turns = append(turns, fmt.Sprintf("%s %s %s", h.Incident, h.Turn, h.Severity))
		}
		want(t, "the pager", turns, []string{
			"guard/ok opens P1", "pause opens P1", "unacknowledged opens P1",
			"guard/ok acknowledged P4", "pause acknowledged P4", "unacknowledged closes P4",
			"guard/ok closes P4", "pause closes P4",
		})
		var told []string
		for _, h := range drivers.named("chat").all() {
			told = append(told, h.to+" "+h.Title)
		}
		slices.SortStableFunc(told, func(a, b string) int { return strings.Compare(a[:3], b[:3]) }) // by receiver
		want(t, "the chat", told, []string{
			"#a moving: guard ok fires, does pause: its check failed for 0s", "#a moving: paused: guard ok",
			"#a moving: nobody has acknowledged for 5m: on-call is told", "#a moving: guard ok is quiet again",
			"#ada moving: nobody has acknowledged for 5m: on-call is told",
		})
		for _, h := range drivers.named("chat").all() {
			if h.to == "#ada" && (h.Contact == nil || h.Contact.Name != "Ada Lind" || !strings.Contains(h.Text, "told now: Ada Lind (on-call) +49 30 23125 101")) {
				t.Errorf("the rung: %+v", h)
			}
		}
	})
}

func TestTheFirstRouteThatFitsGivesTheText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, `guards: [{check: ok, do: pause}]
notify:
  - {on: chat, to: ["#a"], about: [guard], template: status}
  - {on: chat, to: ["#a", "#b"], about: [guard, run]}`)
		drivers := &outlets{}
		ask := func(_ context.Context, _ *runbook.Runbook, checks []string) ([]runner.Checked, error) {
			return []runner.Checked{{Check: checks[0], Reading: evidence.Reading{At: time.Now(), Verdict: evidence.Pass, Value: "17"}}}, nil
		}
		w.say(engine.GuardTripped{Guard: "ok", Do: "pause"}, engine.PhaseDone{Phase: "one"})
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id, Ask: ask}, time.Minute)
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
		var told []string
		for _, h := range drivers.named("chat").all() {
			told = append(told, h.to+": "+h.Title+" / "+h.Text)
		}
		slices.Sort(told)
		want(t, "told", told, []string{
			"#a: [Issue Detected] moving / lag 17 guard ok fires, does pause: its check failed for 0s P2",
			"#a: moving: run of moving made by ann / run of moving made by ann\nAll of it moves.",
			"#b: moving: guard ok fires, does pause: its check failed for 0s / guard ok fires, does pause: its check failed for 0s",
			"#b: moving: run of moving made by ann / run of moving made by ann\nAll of it moves.",
		})
	})
}

// Updates come as often as they should while the run goes on. One that could not
// be delivered before the next is dropped; after a break only the last comes.
func TestRegularUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, `notify: [{on: chat, to: ["#a"], every: 30m, template: status}]`)
		drivers := &outlets{}
		chat := drivers.named("chat")
		var down atomic.Bool
		down.Store(true)
		chat.fails = func(int, driver.Notice) error {
			if down.Load() {
				return errors.New("down")
			}
			return nil
		}
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id, Holder: "a"}, 0)
		time.Sleep(29 * time.Minute)
		synctest.Wait()
		if chat.tried() > 0 {
			t.Error("an update came too early")
		}
		time.Sleep(31*time.Minute + 30*time.Second)
		want(t, "kept", states(t, disk), []string{"update/status/1 chat #a: given up after 35", "update/status/2 chat #a: waits after 5"})
		down.Store(false)
		time.Sleep(time.Minute)
		if _, err := p.end(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		p = post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id, Holder: "a"}, 0)
		time.Sleep(time.Minute)
		w.say(engine.Completed{})
		time.Sleep(time.Hour)
		if _, err := p.end(); err != nil {
			t.Fatal(err)
		}
		want(t, "told", chat.titles(), []string{"[In Progress] moving", "[In Progress] moving"})
		if all := chat.all(); all[1].Key != id+"/update/status/8" || !strings.Contains(all[1].Text, "lag unknown (it was not asked)") {
			t.Errorf("the second: %+v", all[1])
		}
	})
}

func TestNoSecretIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const key = "s3cr3t-k3y"
		t.Setenv("PAGER_KEY", key)
		w, disk := begun(t, `guards: [{check: ok, do: pause}]
notify: [{on: pager}, {on: chat, to: ["#a"]}]`)
		drivers := &outlets{}
		drivers.named("pager").fails = func(int, driver.Notice) error {
			return &driver.Undelivered{Err: errors.New("no service has the key " + key), Never: true}
		}
		secrets := &secret.Redactor{}
		secrets.Add(key)
		w.say(engine.GuardTripped{Guard: "ok", Do: "pause", Reading: evidence.Reading{Detail: "connect with " + key}})
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id, Secrets: secrets}, time.Minute)
		if _, err := p.end(); err != nil {
			t.Fatal(err)
		}
		kept, err := disk.Open().Deliveries(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		told := drivers.named("chat").all()
		if len(told) != 2 || !strings.Contains(told[1].Text, secret.Mask) || len(kept) != 3 {
			t.Fatalf("told %+v, kept %+v", told, kept)
		}
		if text := fmt.Sprintf("%+v %+v", told, kept); strings.Contains(text, key) {
			t.Errorf("the key is told: %s", text)
		}
	})
}

// What a connection refers to may come later: the secret's file, say.
func TestAConnectionThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, disk := begun(t, `guards: [{check: ok, do: pause}]
notify: [{on: pager}]`)
		drivers := &outlets{}
		w.say(engine.GuardTripped{Guard: "ok", Do: "pause"})
		p := post(t.Context(), &Post{Store: disk.Open(), Drivers: drivers, Run: id}, time.Minute)
		time.Sleep(5 * time.Second)
		kept, err := disk.Open().Deliveries(t.Context(), id)
		if err != nil || len(kept) != 1 || !strings.Contains(kept[0].Error, "PAGER_KEY") {
			t.Fatalf("%+v, %v", kept, err)
		}
		t.Setenv("PAGER_KEY", "s3cr3t-k3y")
		if left, err := p.end(); left > 0 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
	})
}

func TestAnAnnouncementGoesToThoseWhoAreToHaveIt(t *testing.T) {
	parse := func(routes string) *runbook.Runbook {
		rb, err := runbook.Parse("r.yaml", []byte(head+routes+tail), &outlets{}, runbook.Values{})
		if err != nil {
			t.Fatal(err)
		}
		return rb
	}
	drivers := &outlets{}
	drivers.named("other").fails = func(int, driver.Notice) error { return errors.New("no route to host") }
	told, err := (&Post{Drivers: drivers}).Announce(t.Context(), parse(`notify: [{on: chat, to: ["#all"]}, {on: chat, to: ["#a"], about: [announcement], template: status},
  {on: other, to: ["#b"], about: [announcement], template: status}, {on: pager, about: [announcement], template: status}, {on: chat, to: ["#c"], about: [announcement]}]`))
	if err != nil || len(told) != 3 || told[0].Err != nil || told[1].Err == nil || told[2].Err == nil {
		t.Fatalf("%+v, %v", told, err)
	}
	if all := drivers.named("chat").all(); len(all) != 1 || all[0].to != "#a" || all[0].Title != "[Not Started] moving" {
		t.Errorf("told: %+v", all)
	}
	if _, err := (&Post{Drivers: drivers}).Announce(t.Context(), parse(everything)); err == nil || !strings.Contains(err.Error(), "no route of notify is about announcements") {
		t.Errorf("nobody to announce to: %v", err)
	}
}

var _ Store = journal.Store(nil)
