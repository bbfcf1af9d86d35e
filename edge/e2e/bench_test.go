package e2e_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/haproxy"
	"github.com/segue-run/segue/driver/haproxy/haproxytest"
	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
)

// resultFile asks for the benchmark, and says where its result goes.
const resultFile = "SEGUE_EDGE_BENCH"

// A result is what the last line is made of.
type result struct {
	ReloadMS   float64 `json:"reload_ms"`        // a bare reload, until it serves
	SplitMS    float64 `json:"nginx_split_ms"`   // nginx.split, until it serves
	HAProxyMS  float64 `json:"haproxy_split_ms"` // haproxy.split, until it serves
	Ratio      float64 `json:"nginx_actuation_ratio"`
	NGINX      edgetest.Counts
	HAProxy    edgetest.Counts
	FailedN    int64   `json:"nginx_failed_requests"`
	FailedH    int64   `json:"haproxy_failed_requests"`
	Changes    int     `json:"changes"`
	P99Ratio   float64 `json:"shadow_p99_ratio"`
	P99Without map[string]float64
	P99With    map[string]float64
}

func TestBenchEdge(t *testing.T) {
	file := os.Getenv(resultFile)
	if file == "" {
		t.Log("make bench-edge asks for it")
		return
	}
	const runs, changes = 15, 100
	r := result{Changes: changes, P99Without: map[string]float64{}, P99With: map[string]float64{}}
	var bare, split, runtime []time.Duration
	s := splitting(t)
	for range runs {
		split = append(split, untilServed(t, s.Addr, ready(t, nginxSplit(t, s, 100)), "new"))
		apply(t, nginxSplit(t, s, 0))
		bare = append(bare, bareReload(t))
	}
	h := haproxytest.Start(t, byHeader)
	for range runs {
		runtime = append(runtime, untilServed(t, h.Addr, ready(t, haproxySplit(t, h, 100)), "new"))
		apply(t, haproxySplit(t, h, 0))
	}
	r.ReloadMS, r.SplitMS, r.HAProxyMS = ms(median(bare)), ms(median(split)), ms(median(runtime))
	r.Ratio = r.SplitMS / r.ReloadMS
	r.NGINX = underLoad(t, s.Addr, changes, func(percent int) { apply(t, nginxSplit(t, s, percent)) })
	r.HAProxy = underLoad(t, h.Addr, changes, func(percent int) { apply(t, haproxySplit(t, h, percent)) })
	r.FailedN, r.FailedH = edgetest.Total(r.NGINX.Failed), edgetest.Total(r.HAProxy.Failed)
	for name, make := range worst {
		without, with, _ := shadowCost(t, make(t), 5, 2000)
		r.P99Without[name], r.P99With[name] = ms(without), ms(with)
		r.P99Ratio = max(r.P99Ratio, ms(with)/ms(without))
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

func byHeader(file string) string {
	return haproxy.Lines(file, "req.hdr("+keyHeader+")", "new", "legacy")
}

// ready has the intent of a step, as a run has before it applies.
func ready(t testing.TB, a driver.Action) func() {
	t.Helper()
	e := intend(t, a)
	return func() {
		if _, err := a.Apply(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// untilServed is how long it takes from the beginning of a change until a
// client is served by a side. It asks all the time, each time anew, as nobody
// is to be served by an old worker's connection.
func untilServed(t testing.TB, addr string, change func(), side string) time.Duration {
	t.Helper()
	began := time.Now()
	done := make(chan time.Duration, 1)
	go func() {
		for {
			c := edgetest.Client{Addr: addr}
			got, _, err := c.Do("GET", "/", "", map[string]string{keyHeader: "probe"})
			c.Close()
			if err == nil && got == side {
				done <- time.Since(began)
				return
			}
			if time.Since(began) > 30*time.Second {
				done <- time.Since(began)
				return
			}
		}
	}()
	change()
	return <-done
}

// bareReload is what an operator would do by hand: write a file and reload.
// Each starts from the same state, an NGINX of its own.
func bareReload(t testing.TB) time.Duration {
	t.Helper()
	s := nginxtest.Start(t)
	defer s.Kill()
	return untilServed(t, s.Addr, func() {
		s.Edit(t, nginxtest.Replacing("proxy_pass http://legacy;", "proxy_pass http://new;"))
		hangUp(s)
	}, "new")
}

func TestNoRequestFailsOnEitherEdge(t *testing.T) {
	s := splitting(t)
	h := haproxytest.Start(t, byHeader)
	for name, got := range map[string]edgetest.Counts{
		"nginx":   underLoad(t, s.Addr, 10, func(percent int) { apply(t, nginxSplit(t, s, percent)) }),
		"haproxy": underLoad(t, h.Addr, 10, func(percent int) { apply(t, haproxySplit(t, h, percent)) }),
	} {
		if n := edgetest.Total(got.Failed); n != 0 || got.Done["WS"] == 0 {
			t.Errorf("%s: %d failed: %+v", name, n, got)
		}
	}
}
