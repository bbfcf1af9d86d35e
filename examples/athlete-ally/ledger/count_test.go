package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/load"
)

// A sound world of six acknowledged readings on one lane, a dead letter, a
// night's sleep and a core publish; each test breaks it in one way.
func sound() ([]load.Record, World) {
	legacy := Stream{Name: event.StreamLegacy, Durables: []Durable{{Name: event.DurableHRV, Subject: event.SubjectHRV, AckFloor: 8}}}
	dlq := Stream{Name: event.StreamDLQ}
	w := World{HRV: map[string]float64{}, Vendor: map[string]string{}, Effects: map[string]int{}}
	var records []load.Record
	at := time.Unix(1000, 0)
	put := func(rec load.Record) {
		seq := uint64(len(legacy.Messages) + 1)
		at = at.Add(time.Millisecond)
		legacy.Messages = append(legacy.Messages, Stored{ID: rec.ID, Subject: rec.Subject, Seq: seq, Time: at})
		if rec.Outcome == load.Acked {
			rec.Stream, rec.Seq = legacy.Name, seq
		}
		records = append(records, rec)
	}
	for i := range 6 {
		rec := load.Record{
			ID: fmt.Sprintf("r-%d", i), Lane: "http-hrv-0", N: i, Kind: load.HRV, Via: load.HTTP, Subject: event.SubjectHRV,
			Key: fmt.Sprintf("u|%d", i), Value: float64(40 + i), Outcome: load.Acked, Code: 202,
		}
		put(rec)
		w.HRV[rec.Key], w.Effects[rec.ID] = rec.Value, 1
	}
	put(load.Record{ID: "r-bad", Lane: "jetstream-hrv-0", Kind: load.HRV, Via: load.JetStream, Subject: event.SubjectHRV, Key: "u|bad", Bad: true, Outcome: load.Acked})
	dlq.Messages = []Stored{{ID: "r-bad", Subject: "dlq." + event.SubjectHRV, Seq: 1, Time: at}}
	put(load.Record{ID: "r-sleep", Lane: "http-sleep-0", Kind: load.Sleep, Via: load.HTTP, Subject: event.SubjectSleep, Outcome: load.Acked, Code: 202})
	put(load.Record{ID: "r-core", Lane: "core-hrv-0", Kind: load.HRV, Via: load.Core, Subject: event.SubjectHRV, Key: "u|core", Value: 9, Outcome: load.Sent})
	w.HRV["u|core"], w.Effects["r-core"] = 9, 1
	w.Streams = []Stream{legacy, dlq}
	return records, w
}

func TestCount(t *testing.T) {
	tests := map[string]struct {
		change func(records []load.Record, w *World)
		want   string // the findings, as "what=n"
	}{
		"a sound world has no findings": {func([]load.Record, *World) {}, ""},
		"a row that is gone": {func(_ []load.Record, w *World) {
			delete(w.HRV, "u|2")
		}, "lost=1"},
		"a row with another value": {func(_ []load.Record, w *World) {
			w.HRV["u|2"] = 1
		}, "lost=1"},
		"a row that is not there yet, and a durable that will see to it": {func(_ []load.Record, w *World) {
			delete(w.HRV, "u|2")
			w.Streams[0].Durables[0] = Durable{Name: event.DurableHRV, Subject: event.SubjectHRV, AckFloor: 2, Unacked: 1}
		}, "pending=1 unsettled"},
		"the same, and the durable is past it": {func(_ []load.Record, w *World) {
			delete(w.HRV, "u|2")
			w.Streams[0].Durables[0] = Durable{Name: event.DurableHRV, Subject: event.SubjectHRV, AckFloor: 3, Pending: 1}
		}, "lost=1 unsettled"},
		"the same, and the durable is gone": {func(_ []load.Record, w *World) {
			delete(w.HRV, "u|2")
			w.Streams[0].Durables = nil
		}, "lost=1"},
		"a dead letter that is gone leaves the message kept": {func(_ []load.Record, w *World) {
			w.Streams[1].Messages = nil
		}, "kept=1"},
		"the same, when the stream that keeps it is gone and only backed up": {func(_ []load.Record, w *World) {
			w.Streams[1].Messages = nil
			w.Streams[0].Name += backupSuffix
			w.Streams[0].Backup, w.Streams[0].Durables = true, nil
		}, "lost=1"},
		"a stream that is gone and backed up": {func(_ []load.Record, w *World) {
			w.Streams[0].Name += backupSuffix
			w.Streams[0].Backup, w.Streams[0].Durables = true, nil
		}, ""},
		"a dead letter and its original that are gone": {func(_ []load.Record, w *World) {
			w.Streams[1].Messages = nil
			w.Streams[0].Messages = append(w.Streams[0].Messages[:6:6], w.Streams[0].Messages[7:]...)
		}, "lost=1"},
		"a night that is in no stream": {func(_ []load.Record, w *World) {
			w.Streams[0].Messages = append(w.Streams[0].Messages[:7:7], w.Streams[0].Messages[8:]...)
		}, "lost=1"},
		"a core publish that never arrived": {func(_ []load.Record, w *World) {
			w.Streams[0].Messages = w.Streams[0].Messages[:8]
			delete(w.HRV, "u|core")
			delete(w.Effects, "r-core")
		}, "lost_unacked=1"},
		"a second effect": {func(_ []load.Record, w *World) {
			w.Effects["r-3"] = 2
		}, "doubled=1"},
		"a second original": {func(_ []load.Record, w *World) {
			m := w.Streams[0].Messages[0]
			w.Streams = append(w.Streams, Stream{Name: event.StreamCore, Messages: []Stored{{ID: m.ID, Subject: m.Subject, Seq: 1, Time: m.Time.Add(time.Hour)}}})
		}, "doubled_stored=1"},
		"a sourced copy is no second original": {func(_ []load.Record, w *World) {
			m := w.Streams[0].Messages[0]
			w.Streams = append(w.Streams, Stream{Name: event.StreamCore, Messages: []Stored{{ID: m.ID, Subject: m.Subject, Seq: 1, Time: m.Time.Add(time.Hour), Copy: true}}})
		}, ""},
		"two that changed places": {func(_ []load.Record, w *World) {
			m := w.Streams[0].Messages
			m[2].ID, m[3].ID = m[3].ID, m[2].ID
		}, "out_of_order=1"},
		"one that overtook in another stream": {func(_ []load.Record, w *World) {
			m := w.Streams[0].Messages[5]
			w.Streams[0].Messages = append(w.Streams[0].Messages[:5:5], w.Streams[0].Messages[6:]...)
			m.Time = m.Time.Add(-time.Hour)
			w.Streams = append(w.Streams, Stream{Name: event.StreamCore, Messages: []Stored{m}})
		}, "out_of_order=1"},
		"one that went on in another stream": {func(_ []load.Record, w *World) {
			m := w.Streams[0].Messages[5]
			w.Streams[0].Messages = append(w.Streams[0].Messages[:5:5], w.Streams[0].Messages[6:]...)
			m.Seq = 1
			w.Streams = append(w.Streams, Stream{Name: event.StreamCore, Messages: []Stored{m}})
		}, ""},
		"an answer of 503, though it was stored": {func(records []load.Record, _ *World) {
			records[1].Outcome, records[1].Code = load.Unavailable, 503
		}, "ingest_5xx=1"},
		"an answer of 400, though it was stored": {func(records []load.Record, _ *World) {
			records[1].Outcome, records[1].Code = load.Rejected, 400
		}, "unexpected=1"},
		"a request without an answer": {func(records []load.Record, _ *World) {
			records[1].Outcome, records[1].Code = load.Failed, 0
		}, "ingest_unreachable=1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			records, w := sound()
			tt.change(records, &w)
			if diff := cmp.Diff(tt.want, findings(Count(records, w))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARepeatIsNoMessageOfItsOwn(t *testing.T) {
	records, w := sound()
	again := records[0]
	again.Repeat, again.N, again.Outcome = true, 6, load.Duplicate
	r := Count(append(records, again), w)
	if r.Sent != 9 || r.Repeats != 1 || r.Accepted != 8 || findings(r) != "" {
		t.Errorf("result: %+v", r)
	}
}

func findings(r Result) string {
	var out []string
	for _, f := range []struct {
		what string
		n    int
	}{
		{"lost", r.Lost},
		{"lost_unacked", r.LostUnacked},
		{"doubled", r.Doubled},
		{"doubled_stored", r.DoubledStored},
		{"out_of_order", r.OutOfOrder},
		{"ingest_5xx", r.Ingest5xx},
		{"ingest_unreachable", r.Unreachable},
		{"unexpected", r.Unexpected},
		{"pending", r.Pending},
		{"kept", r.Kept},
	} {
		if f.n > 0 {
			out = append(out, fmt.Sprintf("%s=%d", f.what, f.n))
		}
	}
	if !r.Settled {
		out = append(out, "unsettled")
	}
	return strings.Join(out, " ")
}
