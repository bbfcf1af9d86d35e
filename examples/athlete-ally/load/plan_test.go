package load

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

func testPlan(seed uint64) *plan {
	return newPlan(Config{Seed: seed, Run: "t", Users: 20, BadShare: 0.05, RepeatShare: 0.05})
}

func draw(p *plan, n int) []message {
	out := make([]message, n)
	for i := range out {
		out[i] = p.draw()
	}
	return out
}

func TestTheSameSeedDrawsTheSameMessages(t *testing.T) {
	same := cmp.AllowUnexported(message{})
	a, b, c := draw(testPlan(1), 500), draw(testPlan(1), 500), draw(testPlan(2), 500)
	if diff := cmp.Diff(a, b, same); diff != "" {
		t.Errorf("seed 1 twice (-first +second):\n%s", diff)
	}
	if slices.EqualFunc(a, c, func(x, y message) bool { return bytes.Equal(x.body, y.body) }) {
		t.Error("seeds 1 and 2 draw the same")
	}
}

func TestPlanKeepsWhatTheLedgerCountsOn(t *testing.T) {
	rows, ids := map[string]string{}, map[string]bool{}
	next := map[string]int{}
	var bad, repeats int
	ways := map[Via]int{}
	const n = 20000
	for _, m := range draw(testPlan(3), n) {
		if m.N != next[m.Lane] {
			t.Fatalf("lane %s: number %d, want %d", m.Lane, m.N, next[m.Lane])
		}
		next[m.Lane]++
		ways[m.Via]++
		if m.Repeat {
			repeats++
			if !ids[m.ID] || m.Bad || !m.msgID {
				t.Fatalf("a repeat of what cannot be repeated: %+v", m.Record)
			}
			continue
		}
		if ids[m.ID] {
			t.Fatalf("id %s twice", m.ID)
		}
		ids[m.ID] = true
		if m.Kind == HRV {
			if other, ok := rows[m.Key]; ok {
				t.Fatalf("row %s belongs to %s and %s", m.Key, other, m.ID)
			}
			rows[m.Key] = m.ID
		}
		if m.Bad {
			bad++
		}
		if valid(m) == (m.Bad && !m.badlySig) {
			t.Fatalf("bad is %v, and the body is %s", m.Bad, m.body)
		}
	}
	if bad < n*3/100 || bad > n*7/100 || repeats < n*3/100 || repeats > n*7/100 {
		t.Errorf("%d bad and %d repeats of %d, want about 5 %% each", bad, repeats, n)
	}
	for _, via := range []Via{HTTP, JetStream, Core} {
		if ways[via] < n/10 {
			t.Errorf("only %d messages go by %s", ways[via], via)
		}
	}
}

func valid(m message) bool {
	var err error
	switch m.Kind {
	case HRV:
		_, err = event.ParseHRV(m.body)
	case Sleep:
		_, err = event.ParseSleep(m.body)
	case Oura:
		_, err = event.ParseOura(m.body)
	}
	return err == nil
}

func TestTheJournalReadsBack(t *testing.T) {
	path := t.TempDir() + "/j.jsonl"
	j, err := createJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []Record
	for _, m := range draw(testPlan(4), 50) {
		j.add(m.Record)
		want = append(want, m.Record)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(want, got) {
		t.Error("the journal differs from what was written")
	}
}
