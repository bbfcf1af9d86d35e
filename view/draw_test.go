package view_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/view"
)

// scenes are what a run looks like at its turns.
func scenes(t *testing.T) map[string]view.Scene {
	t.Helper()
	whole, broken, asked := recorded(t, "completed"), recorded(t, "rolled-back"), recorded(t, "asked")
	gating := upTo(t, whole, "gate.opened", 0)
	make := func(h *runner.History, seen []report.Seen, holder string, later time.Duration) view.Scene {
		h.State = nil
		return view.NewScene(h, seen, holder, end(h).Add(later))
	}
	out := map[string]view.Scene{
		"applying":     make(upTo(t, whole, "step.intent", 1), nil, holder, 3*time.Second),
		"gating":       make(gating, readings(end(gating), 5), holder, 2700*time.Millisecond),
		"asking":       make(asked, nil, holder, 90*time.Second),
		"rolling-back": make(upTo(t, broken, "undo.done", 2), nil, holder, 400*time.Millisecond),
		"nobody":       make(upTo(t, whole, "gate.opened", 0), nil, "", time.Hour),
		"over":         make(broken, nil, "", time.Hour),
	}
	carried := upTo(t, recorded(t, "carried"), "gate.opened", 0)
	behind := evidence.Passed("400ms", "")
	behind.At = end(carried).Add(1500 * time.Millisecond)
	out["carrying"] = make(carried, []report.Seen{{Check: engine.Behind("cutover/new-to-old"), Reading: behind}}, holder, 2*time.Second)
	far := upTo(t, whole, "step.intent", 1)
	far.Events = append(slices.Clone(far.Events), runner.Entry{Seq: far.Seq + 1, At: end(far).Add(2 * time.Second), Runbook: far.Runbook, Event: engine.StepProgress{
		Step: "one/count-c", Done: 2_150_000, Of: 5_000_000, What: "records", Left: 83 * time.Second,
	}})
	out["copying"] = make(far, nil, holder, time.Second)
	noted := out["gating"]
	noted.Notes = []string{"load: 512 msg/s, 0 errors"}
	out["gating"] = noted
	return out
}

func TestDraw(t *testing.T) {
	for name, s := range scenes(t) {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {50, 12}} {
			file := fmt.Sprintf("%s-%dx%d.txt", name, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				golden(t, file, view.Draw(s, size[0], size[1], view.Paint{})+"\n")
			})
		}
	}
}

func TestAFrameNeverLeavesItsScreen(t *testing.T) {
	for name, s := range scenes(t) {
		for w := 1; w < 140; w += 17 {
			for h := 1; h < 50; h += 8 {
				lines := strings.Split(view.Draw(s, w, h, view.Colours()), "\n")
				if len(lines) > max(h, 6) {
					t.Fatalf("%s at %d×%d: %d lines", name, w, h, len(lines))
				}
				for _, line := range lines {
					if ansi.StringWidth(line) > max(w, 20) {
						t.Fatalf("%s at %d×%d: a line of %d: %q", name, w, h, ansi.StringWidth(line), line)
					}
				}
			}
		}
	}
}

func TestColourIsNeverTheOnlySign(t *testing.T) {
	for name, s := range scenes(t) {
		plain, coloured := view.Draw(s, 80, 24, view.Paint{}), view.Draw(s, 80, 24, view.Colours())
		if plain == coloured {
			t.Errorf("%s: no colour at all", name)
		}
		if got := trimmed(ansi.Strip(coloured)); got != plain {
			t.Errorf("%s: colour changes the text:\n%s\n%s", name, plain, got)
		}
	}
}

func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// TestTextFromTheWorldCannotMoveTheCursor: what a check reports goes to a
// terminal.
func TestTextFromTheWorldCannotMoveTheCursor(t *testing.T) {
	s := scenes(t)["gating"]
	for i := range s.Now.Checks {
		s.Now.Checks[i].Reading.Value = "\x1b[2J\x1b]0;owned\x07\rthree\u009b31m\nlines"
	}
	s.Events[0].Text = "\x1b[31mred\x00"
	if got := view.Draw(s, 80, 24, view.Paint{}); strings.ContainsAny(got, "\x1b\r\x00\x07\u009b") {
		t.Errorf("control characters came through: %q", got)
	}
}
