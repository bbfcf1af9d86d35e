package nginx

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/edge/tee"
	"github.com/segue-run/segue/runbook"
)

// teeTo runs a tee until the test ends.
func teeTo(t testing.TB, o tee.Options) (*tee.Tee, string) {
	t.Helper()
	out, err := tee.New(o)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(out)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { out.Run(ctx); close(ended) }()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close(); cancel(); <-ended })
	return out, strings.TrimPrefix(front.URL, "http://")
}

func shadowOf(t testing.TB, s *nginxtest.Server, addr string, percent float64, unsafe bool) *shadow {
	t.Helper()
	a, err := newShadow(connTo(t, s), shadowParams{Tee: addr, Sample: runbook.Percent(percent), Unsafe: unsafe, OldWorkers: new(20 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestShadowWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Parallel: true, Slow: true, // a reload takes NGINX a tenth of a second
		MayKeep: true,
		World: func(t testing.TB) drivertest.World {
			s := nginxtest.Start(t)
			_, addr := teeTo(t, tee.Options{To: s.New.URL})
			return drivertest.World{
				Action:  func() driver.Action { return shadowOf(t, s, addr, 50, false) },
				Disturb: func(context.Context) error { return os.Remove(connTo(t, s).paths("shadow").link) },
			}
		},
	})
}

func TestWebsocketWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Parallel: true, Slow: true, // a reload takes NGINX a tenth of a second
		World: func(t testing.TB) drivertest.World {
			s := nginxtest.Start(t)
			return drivertest.World{
				Action:  func() driver.Action { return websocketOf(t, s, 50) },
				Disturb: func(context.Context) error { return os.Remove(connTo(t, s).paths("ws").link) },
			}
		},
	})
}

func websocketOf(t testing.TB, s *nginxtest.Server, percent float64) *split {
	t.Helper()
	a, err := newWebsocket(connTo(t, s), websocketParams{New: runbook.Percent(percent), By: "header " + keyHeader, OldWorkers: new(20 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWebSocketsGoToTheirSideAndStayThere(t *testing.T) {
	t.Parallel()
	s := nginxtest.Start(t)
	if _, err := do(t.Context(), websocketOf(t, s, 0)); err != nil {
		t.Fatal(err)
	}
	before := edgetest.OpenSockets(t, s.Addr, keyHeader, 20)
	before("legacy")
	if n := s.New.Open.Load(); n != 0 || s.Legacy.Open.Load() != 20 {
		t.Errorf("at 0 %% the new side has %d", n)
	}
	if _, err := do(t.Context(), websocketOf(t, s, 100)); err != nil {
		t.Fatal(err)
	}
	after := edgetest.OpenSockets(t, s.Addr, keyHeader, 20)
	after("new")
	if n := s.New.Open.Load(); n != 20 || s.Legacy.Open.Load() != 20 {
		t.Errorf("at 100 %% the new side has %d of the new ones", n)
	}
	before("legacy")
	after("new")
}

func TestAShadowGetsCopiesOfWhatIsSafe(t *testing.T) {
	t.Parallel()
	s := nginxtest.Start(t)
	out, addr := teeTo(t, tee.Options{To: s.New.URL})
	if _, err := do(t.Context(), splitIn(shadowOf(t, s, addr, 100, false))); err != nil {
		t.Fatal(err)
	}
	c := edgetest.Client{Addr: s.Addr}
	defer c.Close()
	for i := range 100 {
		if side, _, err := c.Do("GET", fmt.Sprintf("/robots?n=%d", i), "", nil); err != nil || side != "legacy" {
			t.Fatalf("%s, %v", side, err)
		}
		if _, text, err := c.Do("POST", "/robots", "hello", nil); err != nil || text != "legacy POST hello" {
			t.Fatalf("%s, %v", text, err)
		}
	}
	edgetest.Await(t, "the copies", func() error {
		if got := out.Counts(); got.Replayed != 100 || got.In != 100 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if n := s.New.Served.Load(); n != 100 {
		t.Errorf("the new side was asked %d times", n)
	}
	undo, err := do(t.Context(), splitIn(shadowOf(t, s, addr, 0, false)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Do("GET", "/", "", nil); err != nil || out.Counts().In != 100 {
		t.Errorf("a copy of what is not shadowed: %+v, %v", out.Counts(), err)
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Do("GET", "/", "", nil); err != nil {
		t.Error(err)
	}
	edgetest.Await(t, "a copy again", func() error {
		if n := out.Counts().In; n != 101 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
}

func splitIn(a *shadow) *split { return a.split }

func TestAShadowOfUnsafeMethodsCarriesBodies(t *testing.T) {
	t.Parallel()
	s := nginxtest.Start(t)
	bodies := make(chan string, 10)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw := make([]byte, 100)
		n, _ := r.Body.Read(raw)
		bodies <- r.Method + " " + string(raw[:n])
	}))
	defer sink.Close()
	_, addr := teeTo(t, tee.Options{To: sink.URL, Unsafe: true})
	if _, err := do(t.Context(), splitIn(shadowOf(t, s, addr, 100, true))); err != nil {
		t.Fatal(err)
	}
	c := edgetest.Client{Addr: s.Addr}
	defer c.Close()
	if _, text, err := c.Do("POST", "/robots", "hello", nil); err != nil || text != "legacy POST hello" {
		t.Fatalf("%s, %v", text, err)
	}
	if got := <-bodies; got != "POST hello" {
		t.Errorf("replayed as %q", got)
	}
}

func TestAShadowWithoutATeeIsRefused(t *testing.T) {
	t.Parallel()
	s := nginxtest.Start(t)
	a := shadowOf(t, s, edgetest.Addr(t), 100, false)
	if _, err := a.Survey(t.Context()); err == nil || !strings.Contains(err.Error(), "segue tee --listen") {
		t.Errorf("%v", err)
	}
}
