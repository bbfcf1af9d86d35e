package exec

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

func TestCheckReadsACommand(t *testing.T) {
	for name, c := range map[string]struct {
		p      checkParams
		want   evidence.Verdict
		value  string
		detail string
	}{
		"it succeeds":             {checkParams{Argv: []string{"echo", "fine"}}, evidence.Pass, "fine", ""},
		"it fails":                {checkParams{Argv: []string{"sh", "-c", "echo bad >&2; exit 2"}}, evidence.Fail, "exit status 2", "exit status 2: bad"},
		"another status is meant": {checkParams{Argv: []string{"false"}, Exit: 1}, evidence.Pass, "", ""},
		"the output is meant":     {checkParams{Argv: []string{"echo", "3"}, Expect: `output == "3"`}, evidence.Pass, "3", ""},
		"the output is another":   {checkParams{Argv: []string{"echo", "4"}, Expect: `output == "3"`}, evidence.Fail, "4", "4 does not meet"},
		"JSON is looked into":     {checkParams{Argv: []string{"echo", `{"n": 9007199254740993}`}, Expect: "body.n == 9007199254740993"}, evidence.Pass, `{"n": 9007199254740993}`, ""},
		"JSON without the field":  {checkParams{Argv: []string{"echo", `{}`}, Expect: "body.n == 1"}, evidence.Unknown, "{}", "n"},
		"no JSON":                 {checkParams{Argv: []string{"echo", `hello`}, Expect: "body.n == 1"}, evidence.Unknown, "hello", "there is no body"},
		"the status is asked for": {checkParams{Argv: []string{"sh", "-c", "exit 4"}, Expect: "exit in [0, 4]"}, evidence.Pass, "", ""},
		"it is not there":         {checkParams{Argv: []string{"/no/such"}}, evidence.Unknown, "", "no such file"},
		"it hangs":                {checkParams{Argv: []string{"sleep", "1000"}, surroundings: surroundings{Timeout: 50 * time.Millisecond}}, evidence.Unknown, "", "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			check, err := newCheck(c.p)
			if err != nil {
				t.Fatal(err)
			}
			r := check.Read(t.Context())
			if r.Verdict != c.want || r.Value != c.value || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want %v %q because %q", r, c.want, c.value, c.detail)
			}
		})
	}
}
