package acceptance_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
)

// Who asks the new side and gets an error is given the old one's answer, and who
// writes is told; when the old side is gone, so is who asks.
func TestTheEdgeAsksTheOldSideWhatTheNewOneFailsToSay(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := &world{sys: systemUp(t)}
	w.allToNew(t)
	const ask, tell = http.MethodGet + " " + api.PathRobotCount, http.MethodPost + " " + api.PathRobotStatus
	want := func(request string, status int, says string) {
		t.Helper()
		method, path, _ := strings.Cut(request, " ")
		code, body := w.request(t, method, path)
		if code != status || !strings.Contains(body, says) {
			t.Errorf("%s: %d %s, want %d and %q", request, code, body, status, says)
		}
	}
	want(ask, 200, "total")
	want(tell, 200, "")
	w.faults(t, map[string]service.Fault{system.Discovery: {Errors: 1}})
	runtest.Await(t, time.Minute, "the fault", func() bool { code, _ := w.request(t, http.MethodPost, api.PathRobotStatus); return code == 500 })
	want(ask, 200, "total")
	want(tell, 500, "a fault, as was asked for")
	runtest.Check(t, w.sys.StopProcess(t.Context(), system.Instance(system.Legacy, 0)))
	want(ask, 500, "a fault, as was asked for")
	want(tell, 500, "a fault, as was asked for")
	runtest.Await(t, time.Minute, "the one that was rescued to be in the edge's log", func() bool {
		return len(slices.DeleteFunc(w.edgeLog(t), func(l edgeLine) bool { return l.Side != "rescue" })) == 1
	})
}

// allToNew has the edge give all requests to the new side, as Segue's own files
// would.
func (w *world) allToNew(t *testing.T) {
	t.Helper()
	runtest.Check(t, os.WriteFile(filepath.Join(filepath.Dir(w.sys.Env.NGINXConf), "segue", "all.http.conf"), []byte("map \"\" $segue_edge { default new; }\n"), 0o644)) //nolint:gosec // NGINX reads it
	raw, err := os.ReadFile(filepath.Join(w.sys.Env.Dir, "data", "nginx.pid"))
	runtest.Check(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	runtest.Check(t, err)
	runtest.Check(t, syscall.Kill(pid, syscall.SIGHUP))
	runtest.Await(t, time.Minute, "the new side to answer", func() bool {
		_, body := w.request(t, http.MethodGet, api.PathHealth)
		return strings.Contains(body, `"system":"new"`)
	})
}

// request sends one through the edge, and gives what comes of it; 0 for nothing.
func (w *world) request(t *testing.T, method, path string) (code int, body string) {
	t.Helper()
	var sent io.Reader
	if method == http.MethodPost {
		sent = strings.NewReader(`{"id": "r-1", "hostname": "lekiwi-1", "status": "running", "last_seen": "2026-01-01T00:00:00Z"}`)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.sys.Env.EdgeURL+path, sent)
	runtest.Check(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	runtest.Check(t, err)
	return resp.StatusCode, string(raw)
}
