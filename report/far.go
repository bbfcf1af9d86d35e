package report

import (
	"fmt"
	"strings"

	"github.com/segue-run/segue/engine"
)

// Far says how far a step's work has come.
func Far(p engine.StepProgress) string {
	text := fmt.Sprintf("%.0f %s", p.Done, p.What)
	if p.Of > 0 {
		text = fmt.Sprintf("%.0f %% of %.0f %s", 100*p.Done/p.Of, p.Of, p.What)
	}
	if text = strings.TrimSpace(text); p.Left > 0 {
		text += fmt.Sprintf(", %s left", Span(p.Left))
	}
	if p.Note != "" {
		text += ", " + p.Note
	}
	return text
}

// far is Far of a step that goes on, with the time; "" where nothing was told.
func far(st *engine.Step) string {
	p := st.Progress
	if p == nil || p.At.Before(st.Since) || st.Stage != engine.Applying && st.Stage != engine.Undoing {
		return ""
	}
	return Far(p.StepProgress) + " as of " + clock(p.At) + " UTC"
}
