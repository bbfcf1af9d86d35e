package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// The negative control: a probe of each kind is left behind, and found, and
// nothing else is found because of it.
func TestWhatProbesLeaveIsCountedApart(t *testing.T) {
	id := event.ProbePrefix + "r-1"
	message := func(id, body string, more ...string) Stored {
		h := nats.Header{}
		h.Set(nats.MsgIdHdr, id)
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return stored(h, []byte(body), event.SubjectHRV, 100, time.Unix(2000, 0))
	}
	tests := map[string]struct {
		plant func(w *World)
		want  []string
	}{
		"nothing": {func(*World) {}, nil},
		"a message by its id": {
			func(w *World) { w.Streams[0].Messages = append(w.Streams[0].Messages, message(id, "{}")) },
			[]string{"ATHLETE_ALLY_EVENTS/100"},
		},
		"a message by its user, with its effect": {func(w *World) {
			w.Streams[0].Messages = append(w.Streams[0].Messages, message("01JABC", `{"userId": "`+id+`"}`))
			w.Effects["01JABC"] = 1
		}, []string{"ATHLETE_ALLY_EVENTS/100", "normalize_effects/01JABC"}},
		"a message by its mark": {func(w *World) {
			w.Streams[0].Messages = append(w.Streams[0].Messages, message("", "hello", event.HeaderProbe, "x"))
		}, []string{"ATHLETE_ALLY_EVENTS/100"}},
		"a dead letter": {func(w *World) {
			m := message(id, "{}")
			m.Subject = event.PrefixDLQ + m.Subject
			w.Streams[1].Messages = append(w.Streams[1].Messages, m)
		}, []string{"AA_DLQ/100"}},
		"a reading":           {func(w *World) { w.HRV[id+"|2025-10-01"] = 42 }, []string{"hrv_data/" + id + "|2025-10-01"}},
		"a webhook by its id": {func(w *World) { w.Vendor[id] = "u" }, []string{"vendor_events/" + id}},
		"a webhook by its user, with its effect": {
			func(w *World) { w.Vendor["01JABC"], w.Effects["01JABC"] = id, 1 },
			[]string{"vendor_events/01JABC", "normalize_effects/01JABC"},
		},
		"two effects": {func(w *World) { w.Effects[id] = 2 }, []string{"normalize_effects/" + id, "normalize_effects/" + id}},
		"a message that only a backup holds is not left": {func(w *World) {
			w.Streams = append(w.Streams, Stream{Name: "OLD" + backupSuffix, Backup: true, Messages: []Stored{message(id, "{}")}})
		}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			records, w := sound()
			tt.plant(&w)
			r := Count(records, w)
			if diff := cmp.Diff(tt.want, r.Examples["probes_left"]); diff != "" || r.ProbesLeft != len(tt.want) {
				t.Errorf("%d probes left (-want +got):\n%s", r.ProbesLeft, diff)
			}
			if got := findings(r); got != "" || r.Foreign != 0 {
				t.Errorf("other findings: %s, %d foreign", got, r.Foreign)
			}
			var out strings.Builder
			check(t, r.WriteTable(&out))
			if !strings.Contains(out.String(), "probes left") {
				t.Errorf("no row of it:\n%s", out.String())
			}
		})
	}
}
