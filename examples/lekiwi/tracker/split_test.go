package tracker

import (
	"fmt"
	"testing"
	"time"
)

func TestSplitForgetsAfterAMinute(t *testing.T) {
	var s split
	noon := time.Date(2025, 1, 29, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		s.add(noon.Add(time.Duration(i)*time.Second), "legacy")
	}
	s.add(noon.Add(2*time.Second), "new")
	for after, want := range map[time.Duration]float64{2 * time.Second: 25, 60 * time.Second: 100.0 / 3, 61 * time.Second: 50} {
		if got, known := s.measured(noon.Add(after)); !known || fmt.Sprintf("%.3f", got) != fmt.Sprintf("%.3f", want) {
			t.Errorf("after %s: %v, want %v", after, got, want)
		}
	}
	if _, known := s.measured(noon.Add(62 * time.Second)); known {
		t.Error("without a request in the last minute there is a split")
	}
}
