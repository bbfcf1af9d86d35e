package main

import "testing"

func TestTheLastLineIsTheResult(t *testing.T) {
	got, err := lastLine([]byte(`{"false_promotions":3,"false_rollbacks":0,"plain_false_promotions":95.5,"plain_false_rollbacks":40,"seconds_to_rollback":8.96,"cells":[]}`))
	want := "decisions: false_promotions=3.0% false_rollbacks=0.0% plain_false_promotions=95.5% plain_false_rollbacks=40.0% seconds_to_rollback=9.0"
	if err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestWhatWasNotMeasuredIsNotZero(t *testing.T) {
	for _, raw := range []string{`{}`, `{"false_promotions":3,"false_rollbacks":0,"plain_false_promotions":95,"plain_false_rollbacks":40}`, `nothing`} {
		if got, err := lastLine([]byte(raw)); err == nil {
			t.Errorf("%s gives %q", raw, got)
		}
	}
}
