package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/load"
)

// probes counts what probes have left behind: each message, dead letter, row and
// effect. A backup is of the system as it was, and nobody's to clean.
func (r *Result) probes(w World) {
	left := func(where, what string) { r.found(&r.ProbesLeft, "probes_left", where+"/"+what) }
	ids := map[string]bool{}
	for _, s := range w.Streams {
		for _, m := range s.Messages {
			if m.Probe && !s.Backup {
				ids[m.ID] = true
				left(s.Name, fmt.Sprint(m.Seq))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.HRV)) {
		if event.IsProbe(key) {
			left("hrv_data", key)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.Vendor)) {
		if event.IsProbe(id) || event.IsProbe(w.Vendor[id]) {
			ids[id] = true // of the event, and of a message that named no event
			left("vendor_events", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.Effects)) {
		if event.IsProbe(id) || ids[id] {
			for range w.Effects[id] {
				left("normalize_effects", id)
			}
		}
	}
}

// gone names the streams that acknowledged messages and cannot be read.
func (r *Result) gone(records []load.Record, w World) {
	there := map[string]bool{"": true}
	for _, name := range w.names() {
		there[strings.TrimSuffix(name, backupSuffix)] = true
	}
	for _, rec := range records {
		if !there[rec.Stream] {
			there[rec.Stream] = true
			r.GoneStreams = append(r.GoneStreams, rec.Stream)
		}
	}
	slices.Sort(r.GoneStreams)
}

func (w World) names() []string {
	var out []string
	for _, s := range w.Streams {
		out = append(out, s.Name)
	}
	return out
}
