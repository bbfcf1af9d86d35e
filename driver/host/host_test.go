package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// hoards makes this binary a process that takes 4 MiB more each time it is
// told to, and holds them until its input ends.
const hoards = "HOST_TEST_HOARDS"

func TestMain(m *testing.M) {
	if os.Getenv(hoards) == "" {
		os.Exit(m.Run())
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	for range 1024 {
		if _, err := in.ReadByte(); err != nil {
			return
		}
		taken = append(taken, make([]byte, 4<<20))
		for chunk, i := taken[len(taken)-1], 0; i < len(chunk); i += os.Getpagesize() {
			chunk[i] = 1
		}
		fmt.Println("taken")
	}
}

var taken [][]byte // kept by a process that hoards

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, verdict evidence.Verdict, r evidence.Reading) {
	t.Helper()
	if r.Verdict != verdict || r.Bound == "" || !strings.HasPrefix(r.Source, "host ") ||
		(verdict == evidence.Unknown) == (r.Value != "") || verdict != evidence.Pass && r.Detail == "" {
		t.Errorf("%s: want %s: %+v", what, verdict, r)
	}
}

// until reads again until the verdict comes.
func until(t testing.TB, verdict evidence.Verdict, c driver.Check) evidence.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r := c.Read(t.Context())
		if r.Verdict == verdict {
			return r
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it does not become %s: %+v", verdict, r)
		}
	}
}

const asWritten = `
segue: v1
name: all-of-host
checks:
  disk:    {host.disk: {path: /, free-above: 1KB, used-below: 100%}}
  memory:  {host.memory: {available-above: 1MB, used-below: 100%}}
  load:    {host.load: {below: 100000, per-cpu: true, over: 15m}}
  clock:   {host.clock: {from: "00:00", until: "24:00", zone: UTC}}
  full:    {host.disk: {path: /, free-above: 1000TB}}
  used:    {host.disk: {path: /, used-below: 0.000001%}}
  scarce:  {host.memory: {available-above: 1000TB}}
  taken:   {host.memory: {used-below: 0.000001%}}
  busy:    {host.load: {below: 0.0000001}}
  nowhere: {host.disk: {path: /no/such/directory, free-above: 1KB}}
  sockets: {host.sockets: {port: 1, states: [listen, established], fewer-than: 100000}}
phases:
  - name: one
    require: [disk, memory, load, clock, full, used, scarce, taken, busy, nowhere, sockets]
    steps:
      - {name: Longer queues, host.sysctl: {set: {net.core.somaxconn: 10000}, persist: false}}
`

func TestPartsWorkAsWritten(t *testing.T) {
	made := drivertest.Make(t, asWritten, nil, Parts()...)
	for name, c := range made.Checks {
		verdict := evidence.Pass
		switch name {
		case "full", "used", "scarce", "taken", "busy":
			verdict = evidence.Fail
		case "nowhere":
			verdict = evidence.Unknown
		}
		want(t, name, verdict, c.Read(t.Context()))
	}
}

// roomy is a file system that nobody else writes to, where that can be had,
// and how much is written to it.
func roomy(t testing.TB) (dir string, size int64) {
	t.Helper()
	dir = t.TempDir()
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m") == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
		return dir, 16 << 20
	}
	return dir, 1 << 30
}

func TestADiskThatFillsUpFails(t *testing.T) {
	dir, size := roomy(t)
	before, err := spaceOf(dir)
	check(t, err)
	above := runbook.Bytes(int64(before.free) - size/2)
	below := runbook.Percent(share(before.used+uint64(size/2), before.used+before.free))
	free, used := &disk{diskParams{Path: dir, Above: &above}}, &disk{diskParams{Path: dir, Below: &below}}
	want(t, "free, before", evidence.Pass, free.Read(t.Context()))
	want(t, "used, before", evidence.Pass, used.Read(t.Context()))
	f, err := os.Create(filepath.Join(dir, "file"))
	check(t, err)
	check(t, syscall.Fallocate(int(f.Fd()), 0, 0, size))
	want(t, "free, filled", evidence.Fail, free.Read(t.Context()))
	want(t, "used, filled", evidence.Fail, used.Read(t.Context()))
	check(t, f.Close())
	check(t, os.Remove(f.Name()))
	until(t, evidence.Pass, free)
	until(t, evidence.Pass, used)
}

func TestMemoryThatIsTakenFails(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), hoards+"=1")
	in, err := child.StdinPipe()
	check(t, err)
	out, err := child.StdoutPipe()
	check(t, err)
	check(t, child.Start())
	said := bufio.NewReader(out)
	says := func(word string) {
		t.Helper()
		if line, err := said.ReadString('\n'); err != nil || line != word+"\n" {
			t.Fatalf("the child says %q, %v, not %s", line, err, word)
		}
	}
	says("ready")

	m, err := kernel{}.memory() // now: others take and give back too
	check(t, err)
	above := runbook.Bytes(m.available - 64<<20) //nolint:gosec // memory is not that large
	c := &memoryRead{memoryParams{Above: &above}, kernel{}}
	want(t, "before", evidence.Pass, c.Read(t.Context()))
	r := c.Read(t.Context())
	for range 1024 {
		if r = c.Read(t.Context()); r.Verdict == evidence.Fail {
			break
		}
		_, err = in.Write([]byte("\n"))
		check(t, err)
		says("taken")
	}
	want(t, "taken", evidence.Fail, r)
	check(t, in.Close())
	check(t, child.Wait())
}

func TestABusyMachineFails(t *testing.T) {
	c := &cpu{p: cpuParams{Below: 30}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range runtime.NumCPU() {
		go func() {
			for ctx.Err() == nil {
			}
		}()
	}
	want(t, "busy", evidence.Fail, until(t, evidence.Fail, c))
}

func TestParametersThatAreWrongAreToldWithTheField(t *testing.T) {
	for _, c := range []struct {
		p     interface{ Validate() error }
		field string
	}{
		{diskParams{Path: "/"}, "free-above"},
		{diskParams{Above: new(runbook.Bytes(1))}, "path"},
		{diskParams{Path: "/", Below: new(runbook.Percent(101))}, "used-below"},
		{memoryParams{}, "available-above"},
		{memoryParams{Below: new(runbook.Percent(0))}, "used-below"},
		{loadParams{}, "below"},
		{loadParams{Below: -1}, "below"},
		{cpuParams{}, "used-below"},
		{cpuParams{Below: 120}, "used-below"},
		{clockParams{}, "days"},
		{clockParams{Zone: "UTC"}, "days"},
		{clockParams{Days: []string{"monday"}}, "days"},
		{clockParams{From: "9:00"}, "from"},
		{clockParams{From: "24:00"}, "from"},
		{clockParams{Until: "24:01"}, "until"},
		{clockParams{From: "09:00", Until: "09:00"}, "until"},
		{clockParams{Until: "00:00"}, "until"},
		{clockParams{From: "09:00", Zone: "Mars/Olympus"}, "zone"},
	} {
		wrong, ok := c.p.Validate().(*runbook.FieldError) //nolint:errorlint // it is not wrapped
		if !ok || wrong.Field != c.field || wrong.Problem == "" || wrong.Remedy == "" {
			t.Errorf("%+v: %+v", c.p, wrong)
		}
	}
}

func TestACancelledContextReturnsPromptly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]driver.Check{
		"memory": &memoryRead{memoryParams{Below: new(runbook.Percent(50))}, kernel{}},
		"load":   &load{loadParams{Below: 1}, kernel{}},
		"cpu":    &cpu{p: cpuParams{Below: 50}},
	} {
		want(t, name, evidence.Unknown, c.Read(ctx))
	}
}
