package ledger

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Result is the count. Repeats are sent again under the same id and counted on
// their own; all other numbers count ids.
type Result struct {
	Settled bool `json:"settled"` // the durables were drained when it was taken

	Sent     int `json:"sent"`
	Repeats  int `json:"repeats"`
	Accepted int `json:"accepted"` // the system took responsibility
	Unacked  int `json:"unacked"`  // core publishes
	Rejected int `json:"rejected"` // 4xx
	Failed   int `json:"failed"`   // 5xx or no answer, also in the end

	StoredIn     map[string]int `json:"stored_in"` // stream to ids of this load
	Stored       int            `json:"stored"`
	Normalized   int            `json:"normalized"` // had an effect
	InDatabase   int            `json:"in_database"`
	DeadLettered int            `json:"dead_lettered"`
	StreamOnly   int            `json:"stream_only"` // sleep: its place is the stream
	Pending      int            `json:"pending"`     // a durable will still deliver it
	Kept         int            `json:"kept"`        // breaks the schema, waits in its stream for a dead letter stream

	Lost          int `json:"lost"`
	LostUnacked   int `json:"lost_unacked"`
	Doubled       int `json:"doubled"`
	DoubledStored int `json:"doubled_stored"`
	OutOfOrder    int `json:"out_of_order"`
	Ingest5xx     int `json:"ingest_5xx"`
	Unreachable   int `json:"ingest_unreachable"` // requests without an answer
	Unexpected    int `json:"unexpected"`         // rejected, and stored all the same
	Foreign       int `json:"foreign"`            // in the streams and not of this load
	ProbesLeft    int `json:"probes_left"`        // messages, rows and effects of probes that nobody took back

	// GoneStreams acknowledged messages, are not there any more, and no backup
	// of them was read.
	GoneStreams []string `json:"gone_streams,omitempty"`

	// Examples names up to ten ids for each finding.
	Examples map[string][]string `json:"examples,omitempty"`
}

const maxExamples = 10

func (r *Result) found(counter *int, what, id string) {
	*counter++
	if len(r.Examples[what]) < maxExamples {
		r.Examples[what] = append(r.Examples[what], id)
	}
}

// OK tells whether nothing was lost or doubled.
func (r Result) OK() bool { return r.Lost == 0 && r.Doubled == 0 }

// Line is the count in one line.
func (r Result) Line() string {
	return fmt.Sprintf("ledger: lost=%d doubled=%d out_of_order=%d ingest_5xx=%d lost_unacked=%d doubled_stored=%d pending=%d dead_lettered=%d accepted=%d sent=%d probes_left=%d",
		r.Lost, r.Doubled, r.OutOfOrder, r.Ingest5xx, r.LostUnacked, r.DoubledStored, r.Pending, r.DeadLettered, r.Accepted, r.Sent, r.ProbesLeft)
}

// WriteTable prints the result for a reader; its last line is Line.
func (r Result) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, n int, note string) { fmt.Fprintf(tw, "%s\t%d\t%s\n", name, n, note) }
	row("sent", r.Sent, fmt.Sprintf("and %d repeats", r.Repeats))
	row("  accepted", r.Accepted, "202 or PubAck")
	row("  unacked", r.Unacked, "fire and forget")
	row("  rejected", r.Rejected, "4xx")
	row("  failed", r.Failed, "5xx or no answer")
	streams := make([]string, 0, len(r.StoredIn))
	for name, n := range r.StoredIn {
		streams = append(streams, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(streams)
	row("stored", r.Stored, strings.Join(streams, ", "))
	row("  normalized", r.Normalized, "had an effect")
	row("  in the database", r.InDatabase, "")
	row("  stream only", r.StreamOnly, "sleep")
	row("  dead-lettered", r.DeadLettered, "")
	row("  pending", r.Pending, "")
	row("  kept", r.Kept, "breaks the schema, no dead letter stream yet")
	for _, f := range []struct {
		name string
		n    int
		key  string
	}{
		{"lost", r.Lost, "lost"},
		{"lost unacked", r.LostUnacked, "lost_unacked"},
		{"doubled", r.Doubled, "doubled"},
		{"doubled stored", r.DoubledStored, "doubled_stored"},
		{"out of order", r.OutOfOrder, "out_of_order"},
		{"ingest 5xx", r.Ingest5xx, "ingest_5xx"},
		{"unreachable", r.Unreachable, "ingest_unreachable"},
		{"unexpected", r.Unexpected, "unexpected"},
		{"probes left", r.ProbesLeft, "probes_left"},
	} {
		row(f.name, f.n, strings.Join(r.Examples[f.key], " "))
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print the ledger: %w", err)
	}
	if !r.Settled {
		fmt.Fprintln(w, "not settled: a durable still has messages to deliver or to settle")
	}
	for _, name := range r.GoneStreams {
		fmt.Fprintf(w, "stream %s is gone, and no whole backup of it was read: what only it can prove counts as lost\n", name)
	}
	_, err := fmt.Fprintln(w, r.Line())
	return err //nolint:wrapcheck // a write to the reader's own terminal
}
