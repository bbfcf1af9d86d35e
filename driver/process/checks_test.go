package process

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/process/processtest"
	"github.com/segue-run/segue/evidence"
)

func read(t testing.TB, c driver.Check, want evidence.Verdict, detail string) evidence.Reading {
	t.Helper()
	r := c.Read(t.Context())
	if r.Verdict != want || !strings.Contains(r.Value+" "+r.Detail, detail) {
		t.Errorf("%s of %s: %s, %q, %q; want %s with %q", r.Bound, r.Query, r.Verdict, r.Value, r.Detail, want, detail)
	}
	return r
}

func TestStatusTellsEveryReplicaThatDoesNotWork(t *testing.T) {
	t.Parallel()
	web := processtest.Service(t, "web", 2)
	sick := processtest.Service(t, "sick", 1, "BROKEN=sick")
	replicas := processtest.Process{Name: "idle", Replicas: 2, Entrypoint: []string{"sleep", "1000"}}
	nodes := []processtest.Process{
		{Name: "node1", Namespace: "cluster", Entrypoint: []string{"sleep", "1000"}},
		{Name: "node2", Namespace: "cluster", Command: "sleep 1000"},
	}
	o := processtest.Start(t, append(slices.Concat(web, sick, nodes), replicas)...)
	c := connect(t, o)
	status := func(service string, n int, health string) driver.Check {
		s, err := newStatus(t.Context(), c, statusParams{Service: service, Replicas: n, asking: asking{health}})
		check(t, err)
		return s
	}
	o.AwaitHealthyOnly(t, "web-0", "web-1")
	read(t, status("web", 2, health), evidence.Pass, "2 of 2 replicas work")
	// A replica that restarts between two looks is another one.
	before := status("web", 2, health).Read(t.Context()).Instance
	o.Stop(t, "web-1")
	o.Run(t, "web-1")
	o.AwaitHealthyOnly(t, "web-1")
	if after := status("web", 2, health).Read(t.Context()).Instance; before == "" || after == before {
		t.Errorf("%q runs, and after a restart %q", before, after)
	}
	read(t, status("web", 3, health), evidence.Fail, "1 of 3 replicas are not there")
	read(t, status("web", 1, health), evidence.Fail, "1 replicas are more")
	read(t, status("web", 0, "http://{NO_ADDR}/"), evidence.Fail, "its environment has no NO_ADDR")
	read(t, status("sick", 1, health), evidence.Fail, "status 503")
	read(t, status("nope", 0, ""), evidence.Fail, "has no service nope (it has idle, node1, node2, sick, web)")
	for _, service := range []string{"idle", "cluster"} {
		processtest.Await(t, service, func() error {
			if r := status(service, 2, "").Read(t.Context()); r.Verdict != evidence.Pass {
				return fmt.Errorf("%s %s", r.Value, r.Detail)
			}
			return nil
		})
	}
	o.Stop(t, "web-1")
	read(t, status("web", 2, health), evidence.Fail, "web-1: its status is Completed")
	pid := o.Status(t, "web-0").PID
	check(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	processtest.Await(t, "web-0 to be missed", func() error { // its threads stop one by one
		r := status("web", 0, health).Read(t.Context())
		if r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "web-0: GET http://127.0.0.1:") {
			return fmt.Errorf("%s, %s %s", r.Verdict, r.Value, r.Detail)
		}
		return nil
	})

	gone, err := open(connParams{API: "unix:///nowhere/pc.sock"})
	check(t, err)
	s, err := newStatus(t.Context(), gone, statusParams{Service: "web"})
	check(t, err)
	read(t, s, evidence.Fail, "process-compose at /nowhere/pc.sock: GET /processes: dial unix /nowhere/pc.sock")
}

func TestStatusCountsWhoRunsAndAsksWhatTheyAre(t *testing.T) {
	t.Parallel()
	web := processtest.Service(t, "web", 3, "RELEASE=v1", "API_TOKEN=s3cret-one")
	web[2].Disabled = true
	o := processtest.Start(t, append(web, processtest.Process{Name: "idle", Entrypoint: []string{"sleep", "1000"}})...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	status := func(p statusParams, service string) driver.Check {
		p.Service = service
		if service == "web" {
			p.Health = health
		}
		check(t, p.Validate())
		s, err := newStatus(t.Context(), c, p)
		check(t, err)
		return s
	}
	read(t, status(statusParams{AtLeast: 1}, "web"), evidence.Pass, "2 of 3 replicas work")
	read(t, status(statusParams{AtLeast: 3}, "web"), evidence.Fail, "3 are to work (web-0: ")
	answers := func(field, want string) answering { return answering{map[string]string{field: want}} }
	read(t, status(statusParams{}, "web"), evidence.Fail, "web-2: its status is Disabled")
	read(t, status(statusParams{Running: new(2), Replicas: 3, answering: answers("version", "v1")}, "web"), evidence.Pass, "2 of 3 replicas run, 2 work")
	read(t, status(statusParams{Running: new(2), answering: answers("env.RELEASE", "v1")}, "web"), evidence.Pass, "2 of 3 replicas run, 2 work")
	read(t, status(statusParams{Running: new(2), answering: answers("version", "v2")}, "web"), evidence.Fail, `web-1: its health page does not show the wanted version: "v1", not "v2"`)
	read(t, status(statusParams{Running: new(2), answering: answers("build", "v2")}, "web"), evidence.Fail, "web-1: its health page does not show the wanted build, which is not there")
	read(t, status(statusParams{Running: new(1)}, "web"), evidence.Fail, "1 are to run (web-0: Running, web-1: Running, web-2: Disabled)")
	read(t, status(statusParams{Running: new(0)}, "web"), evidence.Fail, "0 are to run")
	read(t, status(statusParams{Running: new(0)}, "nope"), evidence.Fail, "has no service nope")
	read(t, status(statusParams{answering: answers("version", "v1")}, "idle"), evidence.Fail, "idle: ")
	secret := read(t, status(statusParams{Running: new(2), answering: answers("env.API_TOKEN", "s3cret-two")}, "web"), evidence.Fail, "wanted env.API_TOKEN")
	if strings.Contains(fmt.Sprint(secret), "s3cret") {
		t.Errorf("it tells a secret: %+v", secret)
	}
	apply(t, scaleOf(t, c, "web", 0))
	read(t, status(statusParams{Running: new(0)}, "web"), evidence.Pass, "0 of 3 replicas run")
}

func TestReadinessOfProcessCompose(t *testing.T) {
	t.Parallel()
	ready := processtest.Process{
		Name: "slow", Command: "while ! test -e go; do sleep 0.05; done; touch ready; sleep 1000",
		Readiness: map[string]any{"exec": map[string]string{"command": "test -e ready"}, "period_seconds": 1},
	}
	o := processtest.Start(t, ready)
	s, err := newStatus(t.Context(), connect(t, o), statusParams{Service: "slow"})
	check(t, err)
	read(t, s, evidence.Fail, "slow: process-compose finds it not ready")
	check(t, os.WriteFile(o.Dir+"/go", nil, 0o600))
	processtest.Await(t, "readiness", func() error {
		if r := s.Read(t.Context()); r.Verdict != evidence.Pass {
			return fmt.Errorf("%s", r.Detail)
		}
		return nil
	})
}

func TestLogsWaitForALineOfEveryReplica(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "RELEASE=v7")...)
	o.AwaitHealthy(t)
	l, err := newLogs(t.Context(), connect(t, o), logsParams{Service: "web", Says: `bound to \w+`, Within: time.Minute})
	check(t, err)
	clock := time.Now()
	l.(*logsCheck).now = func() time.Time { return clock }
	read(t, l, evidence.Unknown, "web-0, web-1 did not say so yet; 1m0s left")
	o.Say(t, "web-0", "bound to AA_CORE_HOT")
	clock = clock.Add(40 * time.Second)
	awaitRead(t, l, "web-1 did not say so yet; 20s left")
	clock = clock.Add(20 * time.Second)
	read(t, l, evidence.Fail, "web-1 did not say so within 1m0s")
	o.Say(t, "web-1", "bound to AA_VENDOR_HOT")
	awaitRead(t, l, "web-1: bound to AA_VENDOR_HOT")
	read(t, l, evidence.Pass, "")

	// What was written before the first look counts, too.
	l, err = newLogs(t.Context(), connect(t, o), logsParams{Service: "web", Says: "version v7"})
	check(t, err)
	read(t, l, evidence.Pass, "starts with version v7")
	l, err = newLogs(t.Context(), connect(t, o), logsParams{Service: "nope", Says: "x"})
	check(t, err)
	read(t, l, evidence.Unknown, "has no service nope")
}

func TestLogsNeverCountsWhatIsNew(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2)...)
	o.AwaitHealthy(t)
	o.Say(t, "web-0", "ERROR of old")
	l, err := newLogs(t.Context(), connect(t, o), logsParams{Service: "web", Never: "ERROR", For: 10 * time.Minute})
	check(t, err)
	clock := time.Now()
	l.(*logsCheck).now = func() time.Time { return clock }
	seen, err := newLogs(t.Context(), connect(t, o), logsParams{Service: "web", Never: "ERROR"})
	check(t, err)
	processtest.Await(t, "the old line", func() error {
		lines, err := connect(t, o).logs(t.Context(), "web-0", tailLength)
		if err == nil && !slices.Contains(lines, "ERROR of old") {
			err = fmt.Errorf("it is not there")
		}
		return err
	})
	read(t, l, evidence.Unknown, "watched for 0s of 10m0s")
	read(t, seen, evidence.Pass, "not said")
	clock = clock.Add(10 * time.Minute)
	read(t, l, evidence.Pass, "not said")
	o.Say(t, "web-1", "ERROR of new")
	awaitRead(t, l, "web-1: ERROR of new")
	read(t, seen, evidence.Fail, "web-1: ERROR of new")
	clock = clock.Add(9 * time.Minute)
	read(t, l, evidence.Fail, "web-1 said so 9m0s ago")
	clock = clock.Add(time.Minute)
	read(t, l, evidence.Pass, "not said")
	o.SetEnv(t, "web-0", "X", "1") // its log begins anew
	awaitRead(t, l, "not said")
}

// awaitRead reads until a line has come through.
func awaitRead(t testing.TB, c driver.Check, part string) {
	t.Helper()
	processtest.Await(t, part, func() error {
		if r := c.Read(t.Context()); !strings.Contains(r.Value+" "+r.Detail, part) {
			return fmt.Errorf("%s %s", r.Value, r.Detail)
		}
		return nil
	})
}

func TestNews(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, tail, want string }{
		"nothing new":               {"a b", "a b", ""},
		"more":                      {"a b", "a b c", "c"},
		"the buffer moved on":       {"a b c", "b c d e", "d e"},
		"all of it is new":          {"a b", "c d", "c d"},
		"the first look":            {"", "a", "a"},
		"the log was thrown away":   {"a b", "", ""},
		"a line that came twice":    {"a a", "a a a", "a"},
		"it ends as the old begins": {"a b", "b a", "a"},
	} {
		fresh, joined := news(strings.Fields(c.old), strings.Fields(c.tail))
		if got := strings.Join(fresh, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if lost := name == "all of it is new" || name == "the log was thrown away"; joined == lost {
			t.Errorf("%s: joined: %v", name, joined)
		}
	}
}
