package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/edge/tee"
	"github.com/segue-run/segue/internal/soak"
)

// worst is how a system may behave that is shadowed to.
var worst = map[string]func(t testing.TB) (url string){
	"slow": func(t testing.TB) string {
		let := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-let }))
		t.Cleanup(func() { close(let); s.CloseClientConnections(); s.Close() })
		return s.URL
	},
	"dead": func(t testing.TB) string { return "http://" + edgetest.Addr(t) },
	"garbage": func(t testing.TB) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("\x00\xff this is no HTTP\r\n\r\n"))
				_ = c.Close()
			}
		}()
		t.Cleanup(func() { _ = l.Close() })
		return "http://" + l.Addr().String()
	},
}

// A shadowed NGINX, and the ways to turn its shadow on and off.
type shadowed struct {
	*nginxtest.Server
	tee *tee.Tee
	on  func(t testing.TB, percent int)
}

func newShadowed(t testing.TB, to string) *shadowed {
	t.Helper()
	s := &shadowed{Server: nginxtest.Start(t)}
	// As a real system does: of the loopback's 0.4 ms a p99 would tell what the
	// scheduler does, and not what clients wait for.
	s.Legacy.Takes.Store(int64(10 * time.Millisecond))
	var err error
	// Replays shall not take the clients' processors on a small machine: it is
	// what NGINX waits for that is measured, and not the new side's share of them.
	if s.tee, err = tee.New(tee.Options{To: to, Queue: 100, Workers: 1, Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s.tee)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.tee.Run(ctx); close(ended) }()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close(); cancel(); <-ended })
	s.on = func(t testing.TB, percent int) {
		t.Helper()
		apply(t, nginxStep(t, s.Server, fmt.Sprintf("nginx.shadow: {on: edge, tee: %q, sample: %d%%}", strings.TrimPrefix(front.URL, "http://"), percent)))
	}
	s.on(t, 0)
	return s
}

// p99 is of clients that each keep a connection, for so many requests.
func p99(t testing.TB, addr string, requests int) time.Duration {
	t.Helper()
	const clients = 8
	var mu sync.Mutex
	var all sync.WaitGroup
	var took []time.Duration
	for range clients {
		all.Go(func() {
			c := edgetest.Client{Addr: addr}
			defer c.Close()
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for range requests / clients {
				<-pace.C
				began := time.Now()
				if _, _, err := c.Do("GET", "/robots", "", nil); err != nil {
					t.Errorf("a client noticed: %v", err)
					return
				}
				d := time.Since(began)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(took) == 0 {
		t.Fatal("no request was answered")
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// shadowCost is the clients' p99 without a shadow and with one, in turns, so
// that what else the machine does meets both.
func shadowCost(t testing.TB, to string, rounds, requests int) (without, with time.Duration, counts tee.Counts) {
	t.Helper()
	s := newShadowed(t, to)
	p99(t, s.Addr, requests/2) // warm
	var plain, mirrored []time.Duration
	for range rounds {
		s.on(t, 0)
		plain = append(plain, p99(t, s.Addr, requests))
		s.on(t, 100)
		mirrored = append(mirrored, p99(t, s.Addr, requests))
	}
	return median(plain), median(mirrored), s.tee.Counts()
}

func median(all []time.Duration) time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// How long clients wait is judged by make soak, on a machine of its own; the
// rest here too.
func TestAShadowHoldsNoClient(t *testing.T) {
	rounds, requests := 1, 400
	if soak.On() {
		rounds, requests = 7, 4000
	}
	for name, make := range worst {
		t.Run(name, func(t *testing.T) {
			without, with, counts := shadowCost(t, make(t), rounds, requests)
			t.Logf("p99 %s without, %s with a shadow that is %s: %+v", without, with, name, counts)
			if soak.On() && with > without+without/20 && with > without+time.Millisecond {
				t.Errorf("p99 went from %s to %s", without, with)
			}
			if counts.In < int64(requests) || counts.Replayed > 0 || counts.Failed+counts.Dropped() == 0 {
				t.Errorf("the copies: %+v", counts)
			}
		})
	}
}

// TestAPlainMirrorIsSeen is the negative control: without the tee between, a
// slow shadow holds clients, and the measurement sees it.
func TestAPlainMirrorIsSeen(t *testing.T) {
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(30 * time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer late.Close()
	s := nginxtest.Start(t)
	apply(t, nginxStep(t, s, fmt.Sprintf("nginx.shadow: {on: edge, tee: %q, sample: 0%%}", strings.TrimPrefix(late.URL, "http://"))))
	without := p99(t, s.Addr, 400)
	apply(t, nginxStep(t, s, fmt.Sprintf("nginx.shadow: {on: edge, tee: %q, sample: 100%%}", strings.TrimPrefix(late.URL, "http://"))))
	if with := p99(t, s.Addr, 400); with < without+10*time.Millisecond {
		t.Errorf("p99 %s without and %s with a mirror that takes 30ms: the measurement is blind", without, with)
	}
}
