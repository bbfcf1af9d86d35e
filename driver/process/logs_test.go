package process

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/process/processtest"
	"github.com/segue-run/segue/evidence"
)

func logsOf(t testing.TB, c *Conn, p logsParams) (*logsCheck, *time.Time) {
	t.Helper()
	l, err := newLogs(t.Context(), c, p)
	check(t, err)
	clock := time.Now()
	l.(*logsCheck).now = func() time.Time { return clock }
	return l.(*logsCheck), &clock
}

// Who has said it before it was restarted has not said it.
func TestEachProcessSpeaksForItself(t *testing.T) {
	t.Parallel()
	web := processtest.Service(t, "web", 2, "RELEASE=v1")
	for i := range web {
		web[i].Restart = map[string]string{"restart": "always"}
	}
	o := processtest.Start(t, web...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	says := logsParams{Service: "web", Says: "bound to"}
	old, _ := logsOf(t, c, says)
	both := func() {
		t.Helper()
		o.AwaitHealthy(t)
		for _, name := range []string{"web-0", "web-1"} {
			o.Say(t, name, "bound to AA_CORE_HOT")
		}
		awaitRead(t, old, "web-1: bound to AA_CORE_HOT")
	}
	for how, again := range map[string]func(){
		"by process.restart": func() { apply(t, restartOf(t, c, "web")) },
		"by scaling down and up": func() {
			apply(t, scaleOf(t, c, "web", 0))
			read(t, old, evidence.Unknown, "web-0 (its status is Completed")
			apply(t, scaleOf(t, c, "web", 2))
		},
		"as they had died": func() {
			for _, name := range []string{"web-0", "web-1"} {
				pid := o.Status(t, name).PID
				check(t, syscall.Kill(pid, syscall.SIGKILL))
				processtest.Await(t, name+" to be started again", func() error {
					if s := o.Status(t, name); !s.Running || s.PID == pid {
						return fmt.Errorf("it is %s", s.Status)
					}
					return nil
				})
			}
		},
	} {
		both()
		again()
		fresh, _ := logsOf(t, c, says)
		read(t, old, evidence.Unknown, "web-0, web-1 did not say so yet")
		read(t, fresh, evidence.Unknown, "web-0, web-1 did not say so yet")
		if t.Failed() {
			t.Fatalf("restarted %s, they are taken for their predecessors", how)
		}
	}
	// Stopped and started by hand they write on in the same log.
	both()
	o.Stop(t, "web-1")
	o.Run(t, "web-1")
	o.AwaitHealthy(t)
	read(t, old, evidence.Unknown, "web-1 did not say so yet")
	says.Since = "^starts with version"
	fresh, clock := logsOf(t, c, says)
	read(t, fresh, evidence.Unknown, "web-1 did not say so yet")
	says.Any = true
	anyone, _ := logsOf(t, c, says)
	read(t, anyone, evidence.Pass, "web-0: bound to")
	*clock = clock.Add(time.Minute)
	read(t, fresh, evidence.Fail, "web-1 did not say so within 1m0s")
	o.Say(t, "web-1", "bound to AA_CORE_HOT")
	awaitRead(t, fresh, "web-1: bound to")
}

func TestWhoIsDisabledNeedNotSpeakAndNobodyIsNoAnswer(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Disabled(processtest.Service(t, "green", 2, "RELEASE=v1"))...)
	c := connect(t, o)
	l, clock := logsOf(t, c, logsParams{Service: "green", Says: "version v1"})
	never, later := logsOf(t, c, logsParams{Service: "green", Never: "ERROR", For: time.Minute})
	read(t, l, evidence.Unknown, "no replica runs")
	*clock = clock.Add(time.Minute)
	read(t, l, evidence.Fail, "no replica runs")
	read(t, never, evidence.Unknown, "no replica runs")
	*later = later.Add(time.Minute)
	read(t, never, evidence.Unknown, "no replica runs")
	apply(t, scaleOf(t, c, "green", 1))
	read(t, l, evidence.Pass, "green-0: starts with version v1")
	read(t, never, evidence.Pass, "not said")
	apply(t, scaleOf(t, c, "green", 0))
	read(t, l, evidence.Unknown, "green-0 (its status is Completed")
	*clock = clock.Add(time.Minute)
	read(t, l, evidence.Fail, "green-0 (its status is Completed")
}

// What was written and is gone before it could be read may have been anything.
func TestLinesThatWereMissedMakeTheWatchBeginAnew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &logsCheck{p: logsParams{Never: "ERROR", For: time.Minute}, heard: map[string]*voice{}, now: func() time.Time { return now }}
	l.line = regexp.MustCompile("ERROR")
	look := func(pid, updates int, lines string, want evidence.Verdict, detail string) {
		t.Helper()
		r := l.never([]tail{{status{Name: "web", Status: "Running", Running: true, PID: pid}, updates, strings.Split(lines, " ")}})
		if r.Verdict != want || !strings.Contains(r.Value+r.Detail, detail) {
			t.Errorf("%s: %s %q %q, want %s with %q", lines, r.Verdict, r.Value, r.Detail, want, detail)
		}
		now = now.Add(30 * time.Second)
	}
	look(1, 0, "a ERROR b", evidence.Unknown, "watched for 0s")
	look(1, 0, "ERROR b c", evidence.Unknown, "watched for 30s")
	look(1, 0, "b c d", evidence.Pass, "not said")
	look(1, 0, "x y z", evidence.Unknown, "web wrote more than process-compose keeps")
	look(1, 0, "x y z", evidence.Unknown, "watched for 30s")
	look(1, 0, "x y z", evidence.Pass, "not said")
	look(2, 1, "x y z", evidence.Pass, "not said")     // another process, in a log of its own
	look(2, 1, "x y z", evidence.Pass, "not said")     //
	look(3, 2, "ERROR y", evidence.Fail, "web: ERROR") // its first line
	look(4, 3, "ERROR y", evidence.Fail, "said so 0s ago")
	look(4, 3, "ERROR y", evidence.Fail, "said so 30s ago")
	look(4, 3, "ERROR y", evidence.Pass, "not said")
	look(5, 3, "ERROR y ERROR z", evidence.Fail, "said so 0s ago") // started by hand
}

func TestWhatWasSaidStaysSaidWhenItsLineIsGone(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &logsCheck{p: logsParams{Says: "bound", Within: time.Minute}, heard: map[string]*voice{}, now: func() time.Time { return now }}
	l.line = regexp.MustCompile("bound")
	for i, lines := range []string{"bound a", "b c", "d e"} {
		r := l.saying([]tail{{status{Name: "web", Status: "Running", Running: true, PID: 1}, 0, strings.Fields(lines)}})
		if r.Verdict != evidence.Pass {
			t.Errorf("look %d: %s %s", i, r.Verdict, r.Detail)
		}
	}
}
