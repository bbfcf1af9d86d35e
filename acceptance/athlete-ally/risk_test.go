package acceptance_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
)

// riskList: the inputs of the team's risk checklist, and its two guards by real
// faults.
func (w *world) riskList(t *testing.T) {
	t.Run("traffic is no time to begin in", func(t *testing.T) {
		await(t, time.Minute, "a load that is old enough to be seen over 5m", func() bool {
			return w.number(t, "sum(rate(ingest_requests_total[5m])) * 60") > 200
		})
		r := w.begin(t, runbookFile(), later("go-no-go=true", "disk-free=1MB", "memory-free=1MB")...)
		await(t, 30*time.Second, "segue why to say that traffic is too high", func() bool {
			why := w.segue(t, "why", r.ID).Out
			return strings.Contains(why, "traffic-low") && strings.Contains(why, "below 100")
		})
		w.must(t, 0, "abort", "--run", r.ID, "--as", "dora")
		r.End(1)
	})
	t.Run("approvals are waited for", long(w.approvals))
	t.Run("a full disk", func(t *testing.T) {
		free := freeDisk(t, w.sys.Dir)
		fill := min(free/2, 8<<30) // others need the disk, too
		file := filepath.Join(w.program.Dir, "full")
		w.pauses(t, "disk-free", []string{fmt.Sprintf("disk-free=%dB", free-fill/2), "memory-free=1MB"}, func() {
			f, err := os.Create(file)
			check(t, err)
			defer f.Close()
			check(t, syscall.Fallocate(int(f.Fd()), 0, 0, int64(fill))) //nolint:gosec // a size
		}, func() { check(t, os.Remove(file)) })
	})
	t.Run("memory is short", long(func(t *testing.T) { // a machine may be slow to give it
		free := freeMemory(t)
		var hog *exec.Cmd
		w.pauses(t, "memory-free", []string{fmt.Sprintf("memory-free=%dB", free-768<<20), "disk-free=1MB"}, func() {
			hog = hogMemory(t, free/4)
		}, func() { _ = hog.Process.Kill(); _ = hog.Wait() })
	}))
}

// approvals: each phase waits for its people.
func (w *world) approvals(t *testing.T) {
	r := w.begin(t, runbookFile(), later("approvals=true", "vendor-soak=10m")...)
	r.Gate("vendor")
	asked := map[string]bool{}
	for _, ev := range all[engine.PhaseReady](r) {
		for _, g := range ev.Event.(engine.PhaseReady).Given {
			if g.Kind == engine.SignalApprove {
				asked[g.Of+" "+g.Role] = true
			}
		}
	}
	for _, want := range []string{"dlq platform-lead", "vendor platform-lead", "vendor backend-lead"} {
		if !asked[want] {
			t.Errorf("approved were %v, and not %s", asked, want)
		}
	}
	w.emergency(t, r)
}

// pauses wants a guard of the risk list to pause the run when its fault comes.
func (w *world) pauses(t *testing.T, guard string, inputs []string, strike, heal func()) {
	r := w.begin(t, runbookFile(), later(append(inputs, "risk-guards=true", "risk-for=1s", "dlq-soak=10m")...)...)
	r.Gate("dlq")
	struck := time.Now()
	strike()
	tripped := r.Until("the guard", is(func(ev engine.GuardTripped) bool { return ev.Guard == guard }))
	heal()
	t.Logf("%s tripped %s after the fault: %s", guard, tripped.At.Sub(struck).Round(10*time.Millisecond), tripped.Event.(engine.GuardTripped).Reading.Value)
	r.Until("the pause", is[engine.Paused](nil))
	w.emergency(t, r)
}

func freeDisk(t *testing.T, path string) uint64 {
	t.Helper()
	var fs syscall.Statfs_t
	check(t, syscall.Statfs(path, &fs))
	return fs.Bavail * uint64(fs.Bsize) //nolint:gosec // a size
}

func freeMemory(t *testing.T) uint64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/meminfo")
	check(t, err)
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			check(t, err)
			return kib << 10
		}
	}
	t.Fatal("/proc/meminfo does not say MemAvailable")
	return 0
}

// hogVariable makes this test binary a process that takes memory and keeps it.
const hogVariable = "SEGUE_E2E_HOG"

func hogMemory(t *testing.T, size uint64) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", hogVariable, size))
	_, err = cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// hog takes the memory that its environment says, bit by bit, and waits to be
// killed.
func hog() {
	size, err := strconv.ParseUint(os.Getenv(hogVariable), 10, 64)
	if err != nil {
		return
	}
	held := make([]byte, size)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it is gone
	os.Exit(int(held[0]) - 1)
}
