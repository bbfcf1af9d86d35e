package ledger

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Side is how one system's robots compare with what they had acknowledged.
type Side struct {
	Robots  int `json:"robots"`  // that it holds
	Missing int `json:"missing"` // had a heartbeat acknowledged, and are not there
	Stale   int `json:"stale"`   // older than what was acknowledged last
	Differ  int `json:"differ"`  // other than what the robot said
	Extra   int `json:"extra"`   // never sent by this fleet
}

// Result is the count.
type Result struct {
	Robots   int `json:"robots"` // of the fleet
	Sent     int `json:"sent"`   // heartbeats
	Acked    int `json:"acked"`
	Rejected int `json:"rejected"`
	Failed   int `json:"failed"` // 5xx or no answer to the end

	// What the new system holds; 0 where it was not asked.
	Events      int64 `json:"events"`
	Stored      int   `json:"stored"` // heartbeats that are an event
	Lost        int   `json:"lost"`
	Doubled     int   `json:"doubled"`
	OutOfOrder  int   `json:"out_of_order"` // an event before one of an earlier heartbeat of its robot
	Unexpected  int   `json:"unexpected"`   // rejected, and an event all the same
	Foreign     int   `json:"foreign"`      // heartbeats of nobody here; no finding
	Gaps        int64 `json:"gaps"`         // numbers of events that are missing
	NotRebuilt  int   `json:"not_rebuilt"`  // robots of the read model that the events do not make, or make otherwise
	SidesDiffer int   `json:"sides_differ"` // robots about which the two systems do not agree

	Legacy *Side `json:"legacy,omitempty"`
	New    *Side `json:"new,omitempty"`

	Sessions        int `json:"sessions"`         // acknowledged starts
	SessionsLost    int `json:"sessions_lost"`    // acknowledged, and not there
	SessionsDiffer  int `json:"sessions_differ"`  // other robot, operator, time or end
	SessionsDoubled int `json:"sessions_doubled"` // two at once for one robot
	SessionsExtra   int `json:"sessions_extra"`   // of an operator here, who was told of none

	// Examples names up to ten for each finding.
	Examples map[string][]string `json:"examples,omitempty"`
}

const maxExamples = 10

func (r *Result) found(counter *int, what, example string) {
	*counter++
	if len(r.Examples[what]) < maxExamples {
		r.Examples[what] = append(r.Examples[what], example)
	}
}

type finding struct {
	name string
	n    int
}

// findings are everything that must be 0.
func (r Result) findings() []finding {
	out := []finding{
		{"lost", r.Lost},
		{"doubled", r.Doubled},
		{"out_of_order", r.OutOfOrder},
		{"unexpected", r.Unexpected},
		{"gaps", int(r.Gaps)},
		{"not_rebuilt", r.NotRebuilt},
		{"sides_differ", r.SidesDiffer},
	}
	for _, side := range []struct {
		name string
		*Side
	}{{"legacy", r.Legacy}, {"new", r.New}} {
		if side.Side != nil {
			out = append(out, finding{side.name + "_missing", side.Missing}, finding{side.name + "_stale", side.Stale},
				finding{side.name + "_differ", side.Differ}, finding{side.name + "_extra", side.Extra})
		}
	}
	return append(out, finding{"sessions_lost", r.SessionsLost}, finding{"sessions_differ", r.SessionsDiffer},
		finding{"sessions_doubled", r.SessionsDoubled}, finding{"sessions_extra", r.SessionsExtra})
}

// OK tells whether nothing was found.
func (r Result) OK() bool {
	for _, f := range r.findings() {
		if f.n != 0 {
			return false
		}
	}
	return true
}

// Line is the count in one line.
func (r Result) Line() string {
	var b strings.Builder
	b.WriteString("ledger:")
	for _, f := range r.findings() {
		fmt.Fprintf(&b, " %s=%d", f.name, f.n)
	}
	fmt.Fprintf(&b, " acked=%d sent=%d stored=%d sessions=%d", r.Acked, r.Sent, r.Stored, r.Sessions)
	return b.String()
}

// WriteTable prints the result for a reader; its last line is Line.
func (r Result) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, n int, note string) { fmt.Fprintf(tw, "%s\t%d\t%s\n", name, n, note) }
	row("robots", r.Robots, "")
	row("heartbeats", r.Sent, fmt.Sprintf("%d acked, %d rejected, %d failed", r.Acked, r.Rejected, r.Failed))
	row("events", int(r.Events), fmt.Sprintf("%d of these heartbeats, %d of others", r.Stored, r.Foreign))
	row("sessions", r.Sessions, "")
	for _, f := range r.findings() {
		row(f.name, f.n, strings.Join(r.Examples[f.name], "; "))
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print the ledger: %w", err)
	}
	_, err := fmt.Fprintln(w, r.Line())
	return err //nolint:wrapcheck // a write to the reader's own terminal
}
