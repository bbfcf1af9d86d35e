package main

import (
	"strings"
	"testing"
)

// Negative controls: a handover that lost, doubled or reordered a message, or
// had a publisher fail, is in the last line and fails; that another method did
// so is neither.
func TestTheLastLineComesFromTheRuns(t *testing.T) {
	const good = `{"method":"handover","share":10,"rate":100,"size":100,"sent":50,"stall_ms":30,"two_updates_ms":10}` + "\n"
	for name, tc := range map[string]struct {
		runs string
		ok   bool
		last string
	}{
		"a good one":       {good, true, "handover: runs=1 lost=0 doubled=0 reordered_acked=0 reordered_faf=0 publisher_errors=0 stall_ratio_worst=3.0"},
		"another's losses": {good + `{"method":"plain","lost":9,"publisher_errors":3}` + "\n", true, "handover: runs=1 lost=0 doubled=0 reordered_acked=0 reordered_faf=0 publisher_errors=0 stall_ratio_worst=3.0"},
		"a loss":           {good + `{"method":"handover","lost":1,"stall_ms":80,"two_updates_ms":10}` + "\n", false, "handover: runs=2 lost=1 doubled=0 reordered_acked=0 reordered_faf=0 publisher_errors=0 stall_ratio_worst=8.0"},
		"a doubling":       {`{"method":"handover","doubled":2}` + "\n", false, "handover: runs=1 lost=0 doubled=2 reordered_acked=0 reordered_faf=0 publisher_errors=0 stall_ratio_worst=0.0"},
		"a wrong order":    {`{"method":"handover","reordered_acked":1,"reordered_faf":4}` + "\n", false, "handover: runs=1 lost=0 doubled=0 reordered_acked=1 reordered_faf=4 publisher_errors=0 stall_ratio_worst=0.0"},
		"a failure":        {`{"method":"handover","failed":"no leader"}` + "\n", false, "handover: runs=1 lost=0 doubled=0 reordered_acked=0 reordered_faf=0 publisher_errors=0 stall_ratio_worst=0.0"},
		"nothing":          {"", false, "handover: runs=0 lost=0 doubled=0 reordered_acked=0 reordered_faf=0 publisher_errors=0 stall_ratio_worst=0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			ok, err := report(strings.NewReader(tc.runs), &out)
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if err != nil || ok != tc.ok || lines[len(lines)-1] != tc.last {
				t.Errorf("ok %v, error %v, last line %q", ok, err, lines[len(lines)-1])
			}
		})
	}
}

// What publishers wait for when nothing is handed over stands beside what they
// wait for in a handover, and is not counted as one.
func TestNothingIsNoHandover(t *testing.T) {
	got := sum([]run{{Method: "handover", Stall: 30, Bare: 10}, {Method: "nothing", Stall: 90, Bare: 10, Lost: 1}})
	if got.Runs != 1 || got.Lost != 0 || got.Worst != 3 || got.Nothing != 9 {
		t.Fatalf("%+v", got)
	}
}
