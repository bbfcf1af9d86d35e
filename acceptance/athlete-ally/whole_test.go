package acceptance_test

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// later are the times of what follows phase 2.
func later(more ...string) []string {
	return set(append(more,
		"vendor-soak=300ms", "core-soak=1s", "t-5m=1s", "t-1h=1s", "t-24h=1s", "idle-for=3s", "idle-look=1s",
		"settled-lag=200", "settled-vendor-lag=200", "rate-tolerance=50%", "latency-tolerance=2000%")...)
}

// whole is the migration with all its tests, with a backlog across the restart
// of the workers, and what it leaves.
func (w *world) whole(t *testing.T) {
	w.announced(t)
	w.steady(t)
	r := w.begin(t, runbookFile(), later("run-tests=true", "core-soak=8s")...)
	r.Until("phase 1", is(func(ev engine.PhaseStarted) bool { return ev.Phase == "vendor" }))
	w.statusUpdate(t, r, "vendor")
	w.backlog(t, r)
	r.Gate("core")
	w.sound(t)
	r.Until("the deletion", is(func(ev engine.StepDone) bool { return ev.Step == "cleanup/delete-athlete-ally-events" }))
	r.End(0)
	if got := w.statusOf(t, r.ID); got != engine.CompletedStatus {
		t.Fatalf("the run is %s", got)
	}
	now := w.look(t)
	for _, name := range []string{event.StreamCore, event.StreamVendor, event.StreamDLQ} {
		if _, ok := now.Streams[name]; !ok {
			t.Errorf("there is no stream %s", name)
		}
	}
	if len(now.Streams) != 3 || len(now.Paused) != 0 {
		t.Errorf("streams %v, paused %v", slices.Sorted(maps.Keys(now.Streams)), now.Paused)
	}
	for subject, stream := range map[string]string{
		event.SubjectHRV: event.StreamCore, event.SubjectSleep: event.StreamCore, event.SubjectOura: event.StreamVendor, "dlq.test": event.StreamDLQ,
	} {
		if now.Owner[subject] != stream {
			t.Errorf("%s is with %s, not %s", subject, now.Owner[subject], stream)
		}
	}
	w.healthyAfterwards(t)
	w.checkboxes(t, r)
	w.noWayBack(t, r)
}

// steady waits for rates that the baseline can be of: where the load has only
// just begun, or Prometheus has, their window is half empty; where something was
// held up, it is overfull.
func (w *world) steady(t *testing.T) {
	full := func(query string, of float64) bool {
		v, whole := w.number(t, query), of*rate/100
		return v > 0.8*whole && v < 1.2*whole
	}
	await(t, 40*time.Second, "the whole load in the rates of Prometheus", func() bool { // of 100: HRV, and HTTP
		return full(`sum(rate(normalize_hrv_messages_total{result="success"}[5s]))`, 54) && full("sum(rate(ingest_requests_total[5s]))", 62)
	})
}

// healthyAfterwards: the doctor finds nothing, and the checks of the final
// shape pass when they are asked by hand.
func (w *world) healthyAfterwards(t *testing.T) {
	await(t, 30*time.Second, "the checks of the final shape to pass", func() bool {
		r := w.segue(t, append([]string{
			"check", runbookFile(), "three-streams", "core-as-asked", "vendor-as-asked", "dlq-as-asked", "hrv-as-asked",
			"core-flows", "vendor-flows", "ingest-healthy", "normalize-healthy", "rows-today", "database-answers",
		}, later()...)...)
		return r.Code == 0
	})
}

// noWayBack: the deletion is the floor below which no rollback goes.
func (w *world) noWayBack(t *testing.T, r *running) {
	got := w.segue(t, "rollback", "emergency", "--run", r.ID, "--as", "dora")
	if got.Code == 0 || !strings.Contains(got.String(), "over") {
		t.Errorf("a rollback after the end: exit %d: %s", got.Code, got)
	}
}

// number is what Prometheus says; 0 for nothing.
func (w *world) number(t *testing.T, query string) float64 {
	t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	decode(t, w.get(t, w.sys.Env.PrometheusURL+"/api/v1/query?query="+url.QueryEscape(query)), &answer)
	if len(answer.Data.Result) != 1 {
		return 0
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}
