package nginx

import (
	"fmt"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/internal/soak"
	"github.com/segue-run/segue/runbook"
)

func TestSharesAreAsAskedStickyAndMonotone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, by, way, header string
		key                   func(int) string
	}{
		{"by header", "header X-Robot-Id", byFiles, "X-Robot-Id", edgetest.Plain},
		{"by header, by reload", "header X-Robot-Id", byReload, "X-Robot-Id", edgetest.Plain},
		{"by cookie", "cookie robot", byFiles, "Cookie", func(k int) string { return fmt.Sprintf("a=b; robot=%d; c=d", k) }},
		{"by address", "address", byFiles, "", edgetest.Address},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := 1000
			if soak.On() {
				n = 20000
			}
			p := params(c.way, 0)
			p.By = c.by
			s := splitting(t, p)
			first := edgetest.Sides(t, s.Addr, n, c.header, c.key)
			if k := edgetest.Share(first, "new"); k != 0 {
				t.Errorf("at 0 %% the new side served %d", k)
			}
			was := first
			for _, percent := range []float64{10, 25, 33.33, 50, 100} {
				p.New = runbook.Percent(percent)
				to(t, s, p)
				now := edgetest.Sides(t, s.Addr, n, c.header, c.key)
				edgetest.WithinBinomial(t, edgetest.Share(now, "new"), n, percent/100)
				edgetest.StaysOnNew(t, was, now)
				if percent == 25 {
					edgetest.Same(t, now, edgetest.Sides(t, s.Addr, n, c.header, c.key))
				}
				t.Logf("%g %%: %d of %d", percent, edgetest.Share(now, "new"), n)
				was = now
			}
			p.New = 0
			to(t, s, p)
			edgetest.Same(t, first, edgetest.Sides(t, s.Addr, n, c.header, c.key))
		})
	}
}

func TestARequestWithoutTheKeyGoesByItsAddress(t *testing.T) {
	t.Parallel()
	p := params(byFiles, 50)
	s := splitting(t, p)
	to(t, s, p)
	const n = 1000
	bare := edgetest.Sides(t, s.Addr, n, "", edgetest.Address)
	edgetest.WithinBinomial(t, edgetest.Share(bare, "new"), n, 0.5)
	empty := map[string]string{}
	for k := range n {
		c := edgetest.Client{Addr: s.Addr, From: edgetest.Address(k)}
		side, _, err := c.Do("GET", "/", "", map[string]string{keyHeader: ""})
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		empty[edgetest.Address(k)] = side
	}
	edgetest.Same(t, bare, empty)
}

func TestTheShareOutlivesARestart(t *testing.T) {
	t.Parallel()
	p := params(byFiles, 25)
	s := splitting(t, p)
	to(t, s, p)
	before := edgetest.Sides(t, s.Addr, 500, keyHeader, edgetest.Plain)
	s.Kill()
	s.Launch(t)
	edgetest.Same(t, before, edgetest.Sides(t, s.Addr, 500, keyHeader, edgetest.Plain))
}

func TestChangingTheWayMovesNobody(t *testing.T) {
	t.Parallel()
	p := params(byFiles, 33.33)
	s := splitting(t, p)
	to(t, s, p)
	before := edgetest.Sides(t, s.Addr, 1000, keyHeader, edgetest.Plain)
	p.Way = byReload
	undo := to(t, s, p)
	edgetest.Same(t, before, edgetest.Sides(t, s.Addr, 1000, keyHeader, edgetest.Plain))
	undo()
	edgetest.Same(t, before, edgetest.Sides(t, s.Addr, 1000, keyHeader, edgetest.Plain))
}

func TestAHundredChangesUnderLoadFailNothing(t *testing.T) {
	changes := 10
	if soak.On() {
		changes = 100
	}
	p := params(byFiles, 0)
	s := splitting(t, p)
	got := changing(t, s, p, changes)
	t.Logf("%d changes: done %v, failed %v", changes, got.Done, got.Failed)
	if edgetest.Total(got.Failed) != 0 || got.Done["WS"] == 0 || got.Done["POST"] == 0 || got.Done["GET"] == 0 {
		t.Errorf("%+v", got)
	}
}

// What a plain reload costs is measured, not promised; that it costs something
// also shows that the load would see what fails.
func TestAReloadCostsWhatThePlanSays(t *testing.T) {
	changes := 5
	if soak.On() {
		changes = 20
	}
	p := params(byReload, 0)
	p.OldWorkers = new(time.Duration(0)) // WebSockets come and go all the time
	s := splitting(t, p)
	got := changing(t, s, p, changes)
	t.Logf("%d reloads: done %v, failed %v: %.1f a reload", changes, got.Done, got.Failed, float64(got.Failed["GET"]+got.Failed["POST"])/float64(changes))
	if edgetest.Total(got.Failed) == 0 {
		t.Error("no request failed: either a reload costs nothing here, or the load is blind")
	}
}

// changing changes the share again and again under load.
func changing(t testing.TB, s *nginxtest.Server, p splitParams, changes int) edgetest.Counts {
	t.Helper()
	load := edgetest.StartLoad(t, s.Addr, keyHeader, 32)
	for i := range changes {
		p.New = []runbook.Percent{10, 25, 50, 100, 0}[i%5]
		to(t, s, p)
		after := load.Done() + 200
		edgetest.Await(t, "some requests", func() error {
			if n := load.Done(); n < after {
				return fmt.Errorf("%d of %d", n, after)
			}
			return nil
		})
	}
	return load.Stop()
}
