package acceptance_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
)

// inside says that a test is in a network and a view of files of its own, whose
// kernel parameters are nobody else's.
const inside = "SEGUE_TEST_INSIDE"

// Few connections may wait to be taken, and more come at once: WebSockets cannot
// be opened. The doctor finds why, and what it names mends it, while as many come
// as before.
func TestMoreConnectionsMayWait(t *testing.T) {
	switch {
	case !soak.On():
		t.Skip("only with " + soak.Variable)
	case os.Getenv(inside) != "":
		moreMayWait(t)
		return
	case os.Getuid() != 0:
		t.Skip("a network of its own is for root to make")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "sh", "-c",
		`ip link set lo up && mount -t tmpfs none /etc/sysctl.d && exec "$0" -test.run='^TestMoreConnectionsMayWait$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	if t.Log(string(out)); err != nil {
		t.Error(err)
	}
}

const somaxconn = "/proc/sys/net/core/somaxconn"

func moreMayWait(t *testing.T) {
	w := &world{sys: systemUp(t)}
	w.segue = runtest.New(t, append(w.sys.Env.Pairs(), "PATH="+filepath.Dir(w.sys.Env.Bin)+":"+os.Getenv("PATH")))
	runtest.Check(t, os.WriteFile(somaxconn, []byte("2"), 0))
	// Who may not wait is told so; else it would be asked to come a second later.
	runtest.Check(t, os.WriteFile("/proc/sys/net/ipv4/tcp_abort_on_overflow", []byte("1"), 0))
	monitor := system.Instance(system.Monitor, 0)
	runtest.Check(t, w.sys.StopProcess(t.Context(), monitor))
	runtest.Check(t, w.sys.StartProcess(t.Context(), monitor))
	runtest.Check(t, w.sys.AwaitHealthy(t.Context()))
	w.crowd(t)
	w.carryOut(t, w.diagnosis(t, "websocket-drops", "Few connections may wait"))
	w.well(t, "websocket-drops")
	raw, err := os.ReadFile(somaxconn)
	runtest.Check(t, err)
	if got := strings.TrimSpace(string(raw)); got != "10000" {
		t.Errorf("%s may wait", got)
	}
}

// crowd connects to the websocket-monitor and goes again, many at once, until the
// test ends.
func (w *world) crowd(t *testing.T) {
	t.Helper()
	u, err := url.Parse(w.sys.Env.MonitorWSURL)
	runtest.Check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			var d net.Dialer
			for ctx.Err() == nil {
				if c, err := d.DialContext(ctx, "tcp", u.Host); err == nil {
					_ = c.Close()
				}
			}
		})
	}
	t.Cleanup(func() { stop(); all.Wait() })
}
