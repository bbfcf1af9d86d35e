package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
)

// A History is a run as its journal tells it.
type History struct {
	Run     string
	Runbook *runbook.Runbook
	State   *engine.State
	Events  []Entry
	Seq     int64
}

// An Entry is one event with where it stands.
type Entry struct {
	Seq   int64
	At    time.Time
	Epoch int64
	Event engine.Event
	// Runbook is the text in force once the event is folded: an amendment
	// changes it.
	Runbook *runbook.Runbook
}

// Load folds a run's journal. It needs neither a lease nor a live system.
func Load(ctx context.Context, store journal.Reader, cat runbook.Catalog, id string) (*History, error) {
	records, err := store.Read(ctx, id, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	h := &History{Run: id, State: engine.New()}
	for _, rec := range records {
		if err := h.Take(cat, rec); err != nil {
			return nil, err
		}
	}
	if h.Runbook == nil {
		return nil, fmt.Errorf("run %s: its journal does not begin with its creation", id)
	}
	return h, nil
}

// Take folds one more record.
func (h *History) Take(cat runbook.Catalog, rec journal.Record) error {
	ev, err := engine.Unmarshal(rec.Type, rec.Version, rec.Data)
	if err != nil {
		return fmt.Errorf("run %s, event %d: %w", h.Run, rec.Seq, err)
	}
	switch ev := ev.(type) {
	case engine.Created:
		h.Runbook, err = Pinned(cat, ev.File, ev.Text, ev.Settings)
	case engine.Amended:
		h.Runbook, err = Pinned(cat, h.Runbook.File, ev.Text, ev.Settings)
	}
	if err != nil {
		return fmt.Errorf("run %s, event %d: the pinned runbook does not parse with this segue: %w", h.Run, rec.Seq, err)
	}
	if h.Runbook == nil {
		return fmt.Errorf("run %s: its journal does not begin with its creation", h.Run)
	}
	h.State.Fold(h.Runbook, ev, rec.At)
	h.Events = append(h.Events, Entry{rec.Seq, rec.At, rec.Epoch, ev, h.Runbook})
	h.Seq = rec.Seq
	return nil
}

// Pinned parses a runbook as a run pinned it.
func Pinned(cat runbook.Catalog, file, text string, settings []string) (*runbook.Runbook, error) {
	return runbook.Parse(file, []byte(text), cat, runbook.Values{Set: settings})
}

// record makes an event ready for the journal, without secrets.
func (r *Runner) record(ev engine.Event, now time.Time) (journal.Record, error) {
	data, err := json.Marshal(ev)
	if err != nil {
		return journal.Record{}, fmt.Errorf("encode %s event: %w", ev.Type(), err)
	}
	switch ev.(type) {
	case engine.Created, engine.Amended:
		// The runbook's text holds references, not values; a value that
		// happens to stand in it must not break the pinned text.
	default:
		if r.Secrets != nil {
			data = r.Secrets.RedactJSON(data, kept)
		}
	}
	return journal.Record{At: now, Type: ev.Type(), Version: engine.Version, Data: data}, nil
}

// kept reports whether the value of an event's key goes into the journal as it
// is: what the fold goes by, which must be the same for the process that reads
// it back. Faces hold no secret in the clear: what is one is sealed in them.
func kept(key string) bool {
	switch key {
	case "before", "want", "after", "found", "face", "left", "diff", "changes", "differ", "drift", "fields", "cursor", // faces
		"step", "phase", "check", "guard", "of", "undo", "first", "floor", "target", "to", "do", "then", "kind", "result", "stage", "by", // names
		"holder", "actor", "role", "name", "seal", "digest", "key", "signature", // people and proofs
		"at", "last", "unknown_since", "verdict", "clocks": // readings
		return true
	}
	return false
}

// errorText is what the journal keeps of an error.
func (r *Runner) errorText(err error) string {
	text := err.Error()
	if r.Secrets != nil {
		text = r.Secrets.Redact(text)
	}
	return short(text)
}

// short keeps a text from filling the journal.
func short(text string) string {
	const most = 4000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
