package announce

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// maxFilled is how many bytes may come of a template.
const maxFilled = 256 << 10

var errTooLong = fmt.Errorf("more than %d bytes come of it", maxFilled)

// Fill fills a template's text, as [Compile] left it. Checks that figures does
// not know were not asked, and are unknown.
func Fill(text string, facts Facts, inputs map[string]string, figures map[string]Figure) (string, error) {
	t, err := template.New("template").Funcs(calls(
		func(name string) string { return inputs[name] },
		func(name string) (Figure, bool) { f, ok := figures[name]; return f, ok },
	)).Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the template: %w", err)
	}
	var out bounded
	if err := t.Execute(&out, facts); err != nil {
		return "", fmt.Errorf("fill the template: %w", reason(err))
	}
	return out.b.String(), nil
}

// DryRun fills the template with samples: before a run, in the midst of one
// that has trouble, and after it.
func (t *Template) DryRun(inputs func(string) string) *Error {
	for _, facts := range samples() {
		for _, f := range []Figure{{"42", "pass"}, {"unknown (no answer within 10s)", "unknown"}} {
			x, err := template.New(t.tree.Name).Funcs(calls(inputs, func(string) (Figure, bool) { return f, true })).AddParseTree(t.tree.Name, t.tree)
			if err == nil {
				err = x.Execute(&bounded{}, facts)
			}
			if err != nil {
				return t.failed(err)
			}
		}
	}
	return nil
}

var execError = regexp.MustCompile(`(?s)^template: template:(\d+):(\d+): executing "template" at (<.*?>): (.*)$`)

func (t *Template) failed(err error) *Error {
	e := &Error{Line: 1, Column: 1, Problem: "the template cannot be filled: " + reason(err).Error(), Remedy: "guard what may not be there, as in {{if .Issues}}…{{end}}, and compare like with like"}
	if m := execError.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column, _ = strconv.Atoi(m[2])
		e.Column++
		e.Problem = fmt.Sprintf("the template cannot be filled at %s: %s", m[3], m[4])
	}
	return e
}

// reason is an error of filling without where.
func reason(err error) error {
	if errors.Is(err, errTooLong) {
		return errTooLong
	}
	var exec template.ExecError
	if errors.As(err, &exec) {
		return exec.Err
	}
	return err
}

// bounded is what comes of a template, up to a length.
type bounded struct{ b strings.Builder }

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > maxFilled {
		return 0, errTooLong
	}
	return w.b.Write(p)
}

// samples are facts as they may be.
func samples() []Facts {
	at := At(time.Date(2025, 10, 1, 2, 0, 0, 0, time.UTC))
	before := Facts{Runbook: "sample", Description: "A sample.", Status: "Not Started", Mark: "⏳", Now: at, Phases: 2, Next: Next{Name: "one", Number: 1}}
	midst := before
	midst.Run, midst.Actor, midst.Status, midst.Mark, midst.Why = "01K6", "ann", "Issue Detected", "⚠️", "sample"
	midst.Started, midst.Took = at, Took(time.Hour, "1h")
	midst.Phase = Phase{Name: "one", Description: "The first.", Number: 1, Stage: "gating", Attempt: 1, Took: Took(time.Minute, "1m")}
	midst.Next = Next{Name: "two", Number: 2, At: at, In: Took(time.Minute, "1m")}
	midst.Event, midst.Severity = "guard errors fires", "P1"
	midst.Issues, midst.Waits = Lines{"an issue"}, Lines{"a wait"}
	after := midst
	after.Status, after.Mark, after.Ended = "Complete", "✅", at
	after.Issues, after.Waits, after.Next = nil, nil, Next{}
	return []Facts{before, midst, after}
}
