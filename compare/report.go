package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/evidence"
)

// A Report is what a comparison has shown.
type Report struct {
	Legacy     string     `json:"legacy"` // where it was asked
	New        string     `json:"new"`
	Began      time.Time  `json:"began,omitzero"`
	Ended      time.Time  `json:"ended,omitzero"`
	Wanted     int64      `json:"wanted,omitempty"` // pairs
	Pairs      int64      `json:"pairs"`
	Unanswered int64      `json:"unanswered,omitempty"` // questions that legacy did not answer
	Endpoints  []Endpoint `json:"endpoints"`
}

// An Endpoint is what the pairs of one question have shown.
type Endpoint struct {
	Name        string        `json:"name"`
	Pairs       int64         `json:"pairs"`
	Alike       int64         `json:"alike"`                  // nothing differed at all
	Noisy       int64         `json:"noisy"`                  // only where legacy differed from itself
	Differing   int64         `json:"differing"`              // where legacy agreed with itself
	Statuses    map[int]int64 `json:"statuses"`               // of legacy
	OtherFields int64         `json:"other_fields,omitempty"` // differences in more fields than are kept
	Fields      []Field       `json:"fields,omitempty"`
	Legacy      Speed         `json:"legacy"`
	New         Speed         `json:"new"`
}

// Speed is how long answers took, in milliseconds; 0 when not known.
type Speed struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// Judged counts the fields that were judged so.
func (r Report) Judged(j Judgement) int {
	n := 0
	for _, e := range r.Endpoints {
		for _, f := range e.Fields {
			if f.Judged == j {
				n++
			}
		}
		if e.OtherFields > 0 && j == Difference {
			n++
		}
	}
	return n
}

// Share is how many of the pairs differ, of endpoints with a difference.
func (r Report) Share() float64 {
	if r.Pairs == 0 {
		return 0
	}
	differing := int64(0)
	for _, e := range r.Endpoints {
		if slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Judged == Difference }) {
			differing += e.Differing
		}
	}
	return float64(differing) / float64(r.Pairs)
}

// Errors lists the endpoints that legacy never answered but with an error, with
// those errors. Of them nothing was compared that anybody asked for.
func (r Report) Errors() []string {
	var out []string
	for _, e := range r.Endpoints {
		statuses := slices.Sorted(maps.Keys(e.Statuses))
		if len(statuses) > 0 && statuses[0] >= 400 {
			out = append(out, fmt.Sprintf("%s: legacy answers %d", e.Name, statuses[0]))
		}
	}
	return out
}

// few is how many differences are told in one line.
const few = 3

// Reading is what the report says for who waits for it. meant tells of which
// endpoints an error is what is asked for.
func (r Report) Reading(meant func(endpoint string) bool) evidence.Reading {
	differing := r.Judged(Difference)
	out := evidence.Reading{
		Value:   fmt.Sprintf("%d pairs, %s", r.Pairs, count(differing, "difference")),
		Bound:   "no difference",
		Samples: r.Pairs,
	}
	if r.Judged(Noise) > 0 {
		out.Value += fmt.Sprintf(", noise in %s", strings.Join(r.told(Noise), ", "))
	}
	var errs []string
	for _, text := range r.Errors() {
		if name, _, _ := strings.Cut(text, ": legacy answers"); !meant(name) {
			errs = append(errs, text)
		}
	}
	switch {
	case differing > 0:
		out.Verdict, out.Detail = evidence.Fail, strings.Join(r.told(Difference), "; ")
	case r.Unanswered > r.Pairs/100:
		out.Detail = fmt.Sprintf("legacy did not answer %d of %d questions", r.Unanswered, r.Unanswered+r.Pairs)
	case r.Pairs < r.Wanted || r.Pairs == 0:
		out.Detail = fmt.Sprintf("%d of %d pairs when the time was over: give it more, such as timeout: 5m", r.Pairs, r.Wanted)
	case r.Judged(Unclear) > 0:
		out.Detail = strings.Join(r.told(Unclear), "; ") + ": it may be noise, and more runs would tell"
	case len(errs) > 0:
		out.Detail = strings.Join(errs, "; ") + ": nothing was compared (if that is what is asked for, write the status after the path)"
	default:
		out.Verdict = evidence.Pass
	}
	return out
}

// told are the first few fields that were judged so.
func (r Report) told(j Judgement) []string {
	var out []string
	more := 0
	for _, e := range r.Endpoints {
		for _, f := range e.Fields {
			switch {
			case f.Judged != j:
				continue
			case len(out) == few:
				more++
				continue
			}
			text := fmt.Sprintf("%s %s (%s)", e.Name, f.Field, f.Kind)
			if j != Noise {
				text += fmt.Sprintf(" in %s", count(int(f.Odd), "pair"))
				if len(f.Examples) > 0 {
					x := f.Examples[0]
					text += fmt.Sprintf(", as %s: %s became %s", x.Path, nothing(x.Legacy), nothing(x.New))
				}
			}
			out = append(out, text)
		}
		if j == Difference && e.OtherFields > 0 {
			out = append(out, fmt.Sprintf("%s: %d differences in more fields than are kept", e.Name, e.OtherFields))
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

func nothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
