package relay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Row is what became of one subject's messages. Old counts what the new
// stream was to copy from the old one, Relay what was published since and the
// old one did not take, New what the new stream holds of both.
type Row struct {
	Old   uint64 `json:"old"`
	Relay uint64 `json:"relay"`
	New   uint64 `json:"new"`
}

// A Ledger accounts for a handover's messages, by subject.
type Ledger struct {
	Subjects map[string]*Row `json:"subjects"`
	// Forwarded is how many the relay carried over, Repaired how many of these
	// were found missing and forwarded late, Removed how many second copies
	// were taken out again before anybody read them.
	Forwarded int `json:"forwarded"`
	Repaired  int `json:"repaired,omitempty"`
	Removed   int `json:"removed,omitempty"`
	// Reordered counts messages that the new stream holds after one that was
	// published later on the same subject.
	Reordered int `json:"reordered,omitempty"`
	// Repeats are publishes with a Nats-Msg-Id that had been published before.
	Repeats int `json:"repeats,omitempty"`
	// Known are copies that were dropped on a way back, as the stream had their
	// Nats-Msg-Id: it was published before the handover, and again after it.
	Known int `json:"known,omitempty"`
	// Blind says why the relay could not account for everything, and Doubtful
	// counts messages that may be second copies and cannot be told from equal
	// ones that were published twice.
	Blind    string `json:"blind,omitempty"`
	Doubtful int    `json:"doubtful,omitempty"`
	// Interrupted says of a crossing that was begun and given back, after which
	// this one came: what nobody waited for may have been lost then.
	Interrupted string `json:"interrupted,omitempty"`
	// Uncounted says why copies were not counted once more.
	Uncounted string `json:"uncounted,omitempty"`
	// Expired is how many of the copied messages the old stream has let go of
	// since.
	Expired uint64 `json:"expired,omitempty"`
	// Ownerless is for how long no stream owned the subjects, in milliseconds.
	Ownerless float64 `json:"ownerless_ms,omitempty"`
}

// Row is a subject's row.
func (l *Ledger) Row(subject string) *Row {
	if l.Subjects == nil {
		l.Subjects = map[string]*Row{}
	}
	if l.Subjects[subject] == nil {
		l.Subjects[subject] = &Row{}
	}
	return l.Subjects[subject]
}

// Unequal says where New is not Old and Relay together; "" if nowhere.
func (l *Ledger) Unequal() string {
	var out []string
	for _, subject := range slices.Sorted(maps.Keys(l.Subjects)) {
		if r := l.Subjects[subject]; r.New != r.Old+r.Relay {
			out = append(out, fmt.Sprintf("%s: %d from the old stream and %d by the relay, and the new stream has %d", subject, r.Old, r.Relay, r.New))
		}
	}
	return strings.Join(out, "; ")
}

// Condensed keeps the subjects' rows if they are few, else their sum, as "…".
// A journal takes it.
func (l *Ledger) Condensed(most int) *Ledger {
	out := *l
	if len(l.Subjects) <= most {
		return &out
	}
	sum := &Row{}
	for _, r := range l.Subjects {
		sum.Old, sum.Relay, sum.New = sum.Old+r.Old, sum.Relay+r.Relay, sum.New+r.New
	}
	out.Subjects = map[string]*Row{fmt.Sprintf("all %d subjects", len(l.Subjects)): sum}
	return &out
}
