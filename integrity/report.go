package integrity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is what a comparison found. It is of the records as they were AsOf.
type Report struct {
	AsOf  time.Time `json:"as_of"` // by the sides' own clocks, the earlier one
	Left  int64     `json:"left"`  // records on either side
	Right int64     `json:"right"`

	Different int64            `json:"different"` // have another value in a field
	Fields    map[string]int64 `json:"fields,omitempty"`
	Missing   int64            `json:"missing"` // that right does not have
	Extra     int64            `json:"extra"`   // that left does not have
	Doubled   int64            `json:"doubled"` // keys that one side has more often
	Settled   int64            `json:"settled"` // were on their way: equal when looked at again
	Changing  int64            `json:"changing"`
	Bad       int64            `json:"bad,omitempty"` // could not be read, or made into what they are to be
	Bears     int64            `json:"bears,omitempty"`
	Why       string           `json:"why,omitempty"`  // the first of these could not
	More      bool             `json:"more,omitempty"` // than were looked at
	Examples  []Example        `json:"examples,omitempty"`
}

// An Example is one record that is not the same on both sides.
type Example struct {
	Key    string      `json:"key"`
	What   string      `json:"what"` // different, missing, extra or doubled
	Fields []Different `json:"fields,omitempty"`
}

// Different is one field of one record, nil for no value.
type Different struct {
	Field string  `json:"field"`
	Left  *string `json:"left"`
	Right *string `json:"right"`
}

// differences is how many keys do not have the same on both sides.
func (r *Report) differences() int64 { return r.Different + r.Missing + r.Extra + r.Doubled }

// longest is how much of a value an example shows.
const longest = 80

// add counts what differs.
func (r *Report) add(l look, examples int) {
	e := Example{Key: strings.Join(l.key, ", ")}
	switch left, right := len(l.sides.left), len(l.sides.right); {
	case right == 0:
		r.Missing, e.What = r.Missing+1, "missing"
	case left == 0:
		r.Extra, e.What = r.Extra+1, "extra"
	case left != right:
		r.Doubled, e.What = r.Doubled+1, fmt.Sprintf("%d times left, %d right", left, right)
	default:
		r.Different, e.What = r.Different+1, "different"
		e.Fields = r.fields(l)
	}
	if len(r.Examples) < examples {
		r.Examples = append(r.Examples, e)
	}
}

// fields counts the fields that differ.
func (r *Report) fields(l look) []Different {
	var out []Different
	for i, name := range l.fields {
		for j := range l.sides.left {
			a, b := l.sides.left[j][i], l.sides.right[j][i]
			if sameText(a, b) {
				continue
			}
			if r.Fields == nil {
				r.Fields = map[string]int64{}
			}
			r.Fields[name]++
			out = append(out, Different{name, shortened(a), shortened(b)})
			break
		}
	}
	return out
}

func shortened(text *string) *string {
	if text == nil || len(*text) <= longest {
		return text
	}
	short := strings.ToValidUTF8((*text)[:longest], "") + "…"
	return &short
}

// String is what differs, for people; "" for nothing.
func (r *Report) String() string {
	var parts []string
	add := func(n int64, text string, args ...any) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d ", n)+fmt.Sprintf(text, args...))
		}
	}
	add(r.Different, "different (%s)", r.byField())
	add(r.Missing, "missing on the right")
	add(r.Extra, "that left does not have")
	add(r.Doubled, "not as often on both sides")
	add(r.Changing, "that kept changing")
	add(r.Bad, "that cannot be read (%s)", r.Why)
	text := strings.Join(parts, ", ")
	if r.More {
		text += ", and more that were not looked at"
	}
	for i, e := range r.Examples {
		if i == 3 {
			break
		}
		text += "; " + e.String()
	}
	return text
}

func (r *Report) byField() string {
	var out []string
	for _, name := range slices.SortedFunc(maps.Keys(r.Fields), func(a, b string) int {
		return strings.Compare(fmt.Sprintf("%020d%s", 1<<62-r.Fields[a], a), fmt.Sprintf("%020d%s", 1<<62-r.Fields[b], b))
	}) {
		out = append(out, fmt.Sprintf("%s %d", name, r.Fields[name]))
	}
	return strings.Join(out, ", ")
}

func (e Example) String() string {
	text := "[" + e.Key + "] " + e.What
	for i, f := range e.Fields {
		text += map[bool]string{true: ": ", false: ", "}[i == 0] + fmt.Sprintf("%s is %s and %s", f.Field, quoted(f.Left), quoted(f.Right))
	}
	return text
}

func quoted(text *string) string {
	if text == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q", *text)
}
