package demo

import "testing"

// The last line is for machines, and a demonstration that went wrong fails.
func TestResult(t *testing.T) {
	good := Result{Streams: []string{"AA_CORE_HOT", "AA_DLQ", "AA_VENDOR_HOT"}, Status: "completed"}
	const line = "demo: lost=0 doubled=0 ingest_5xx=0 streams=AA_CORE_HOT,AA_DLQ,AA_VENDOR_HOT result=completed"
	if got := good.Line(); got != line || !good.OK() {
		t.Errorf("%s (OK: %t), want %s", got, good.OK(), line)
	}
	for name, spoil := range map[string]func(*Result){
		"a message lost":          func(r *Result) { r.Lost = 1 },
		"a message doubled":       func(r *Result) { r.Doubled = 1 },
		"a request refused":       func(r *Result) { r.Ingest5xx = 1 },
		"the old stream is there": func(r *Result) { r.Streams = append(r.Streams, "ATHLETE_ALLY_EVENTS") },
		"a run that paused":       func(r *Result) { r.Status = "paused" },
	} {
		bad := good
		if spoil(&bad); bad.OK() {
			t.Errorf("%s passes: %s", name, bad.Line())
		}
	}
}
