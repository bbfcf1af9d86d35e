package nginx

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/evidence"
)

const asWritten = `
segue: v1
name: all-of-nginx
connections:
  front: {nginx: {config: "${CONFIG}", control: "${CONTROL}", logs: "${LOGS}"}}
checks:
  quarter: {edge.share: {edge: front, new: 25%}}
  none:    {edge.share: {edge: front, new: 0%, look: 50ms}}
phases:
  - name: canary
    steps:
      - name: A quarter
        nginx.split: {on: front, new: 25%, by: header X-Robot-Id, old-workers: 20s}
`

func TestPartsWorkAsWrittenAndTheShareIsCounted(t *testing.T) {
	t.Parallel()
	s := splitting(t, params(byFiles, 0))
	made := drivertest.Make(t, asWritten, map[string]string{"CONFIG": s.Config, "CONTROL": s.Control, "LOGS": s.Dir + "/logs"}, append(Parts(), edge.Parts()...)...)
	if r := made.Checks["none"].Read(t.Context()); r.Verdict != evidence.Unknown || r.Detail == "" {
		t.Errorf("without traffic: %+v", r)
	}
	edgetest.Sides(t, s.Addr, 500, keyHeader, edgetest.Plain)
	awaitVerdict(t, made, "none", evidence.Pass)
	if _, err := do(t.Context(), made.Actions["A quarter"].(*split)); err != nil {
		t.Fatal(err)
	}
	_ = made.Checks["quarter"].Read(t.Context()) // begins to count
	edgetest.Sides(t, s.Addr, 4000, keyHeader, edgetest.Plain)
	r := awaitVerdict(t, made, "quarter", evidence.Pass)
	t.Logf("%s, %s", r.Value, r.Bound)
	r = awaitVerdict(t, made, "none", evidence.Fail)
	if !strings.Contains(r.Detail, "no exception") {
		t.Errorf("%+v", r)
	}
}

func awaitVerdict(t testing.TB, made drivertest.Made, check string, want evidence.Verdict) (r evidence.Reading) {
	t.Helper()
	edgetest.Await(t, check+" to "+want.String(), func() error {
		if r = made.Checks[check].Read(t.Context()); r.Verdict != want {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	return r
}

func TestCountingGoesOnOverARotationOfTheLog(t *testing.T) {
	t.Parallel()
	s := splitting(t, params(byFiles, 0))
	c := connTo(t, s)
	served := func() float64 {
		t.Helper()
		got, err := c.Served(t.Context(), []string{"new", "legacy"})
		if err != nil {
			t.Fatal(err)
		}
		return got.Sides["legacy"]
	}
	await := func(n float64) {
		t.Helper()
		edgetest.Await(t, "the lines in the log", func() error {
			if k := served(); k != n {
				return fmt.Errorf("%g of %g", k, n)
			}
			return nil
		})
	}
	served()
	edgetest.Sides(t, s.Addr, 300, keyHeader, edgetest.Plain)
	await(300)
	log := s.Dir + "/logs/segue-edge.log"
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	edgetest.Sides(t, s.Addr, 200, keyHeader, edgetest.Plain) // into the old one
	s.Signal(syscall.SIGUSR1)
	edgetest.Await(t, "a new log", func() error { _, err := os.Stat(log); return err })
	edgetest.Sides(t, s.Addr, 100, keyHeader, edgetest.Plain)
	await(600)
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	served()
	edgetest.Sides(t, s.Addr, 50, keyHeader, edgetest.Plain)
	await(650)
}

func TestWhoHasNoSuchSidesIsToldWhichThereAre(t *testing.T) {
	t.Parallel()
	s := splitting(t, params(byFiles, 0))
	_, err := connTo(t, s).Served(t.Context(), []string{"blue", "green"})
	if err == nil || !strings.Contains(err.Error(), "edge (new, legacy)") {
		t.Errorf("%v", err)
	}
}

// Both splits have the side legacy: what a location of the one serves is no
// request of the other.
func TestWebSocketsDoNotCountForTheSplitOfTheRest(t *testing.T) {
	t.Parallel()
	s := splitting(t, params(byFiles, 0))
	to(t, s, params(byFiles, 100))
	if _, err := do(t.Context(), websocketOf(t, s, 0)); err != nil {
		t.Fatal(err)
	}
	c := connTo(t, s)
	sides := []string{"new", "legacy"}
	if _, err := c.Served(t.Context(), sides); err != nil { // begins to count
		t.Fatal(err)
	}
	t.Run("sockets that have ended", func(t *testing.T) { edgetest.OpenSockets(t, s.Addr, keyHeader, 20)("legacy") })
	edgetest.Sides(t, s.Addr, 50, keyHeader, edgetest.Plain)
	edgetest.Await(t, "both to be counted", func() error {
		sockets, err := os.ReadFile(s.Dir + "/logs/segue-ws.log")
		if err != nil {
			return err
		}
		got, err := c.Served(t.Context(), sides)
		if n := strings.Count(string(sockets), "\n"); err == nil && (n != 20 || got.Sides["new"] != 50) {
			err = fmt.Errorf("%d sockets and %v requests", n, got.Sides)
		}
		return err
	})
	if got, err := c.Served(t.Context(), sides); err != nil || got.Sides["legacy"] != 0 {
		t.Errorf("%v, %v: the sockets were counted", got.Sides, err)
	}
}
