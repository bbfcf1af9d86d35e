package integration

import "fmt"

// Verdict of a test.
type Verdict string

// The verdicts. A test that was not run is skipped, never passed.
const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped"
)

// Result is how one test went.
type Result struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Seconds float64 `json:"seconds"`
	Why     string  `json:"why,omitempty"`
}

// Report is how a run went; every test there is is in it, in their order.
type Report struct {
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Skipped int      `json:"skipped"`
	Seconds float64  `json:"seconds"`
	Tests   []Result `json:"tests"`

	chosen int
}

func (r *Report) count() {
	r.Passed, r.Failed, r.Skipped = 0, 0, 0
	for _, t := range r.Tests {
		switch t.Verdict {
		case Passed:
			r.Passed++
		case Failed:
			r.Failed++
		case Skipped:
			r.Skipped++
		}
	}
}

// OK tells whether all tests that were asked for have passed.
func (r Report) OK() bool { return r.chosen > 0 && r.Passed == r.chosen && r.Failed == 0 }

// Line is the report in one line.
func (r Report) Line() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)
}
