package main

import (
	"strings"
	"testing"
)

func TestTheLastLineIsTheResult(t *testing.T) {
	got, err := lastLine("edge", []byte(`{"ratio": 0.12345, "wrong": 3.04, "failed": 12, "more": []}`), []string{"failed=%.0f", "ratio=%.3f", "wrong=%.1f%%"})
	if want := "edge: failed=12 ratio=0.123 wrong=3.0%"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestWhatWasNotMeasuredIsNotZero(t *testing.T) {
	for raw, says := range map[string]string{
		`{}`:               "ratio",
		`{"ratio": null}`:  "ratio",
		`{"ratio": "0.1"}`: "ratio",
		`nothing`:          "invalid",
	} {
		if got, err := lastLine("edge", []byte(raw), []string{"ratio=%.3f"}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s gives %q, %v", raw, got, err)
		}
	}
	if got, err := lastLine("edge", []byte(`{"ratio": 1}`), []string{"ratio"}); err == nil {
		t.Errorf("without a format it gives %q", got)
	}
}
