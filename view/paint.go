package view

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
)

// A Paint colours text. Colour is never the only sign: every mark has a word
// beside it. The zero Paint leaves text as it is.
type Paint struct{ on bool }

// Colours is the paint for terminals.
func Colours() Paint { return Paint{on: true} }

const (
	green  = "2"
	red    = "1"
	yellow = "3"
	blue   = "4"
	grey   = "8"
)

func (p Paint) in(colour, text string) string {
	if !p.on || text == "" {
		return text
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(colour)).Render(text)
}

func (p Paint) bold(text string) string {
	if !p.on || text == "" {
		return text
	}
	return lipgloss.NewStyle().Bold(true).Render(text)
}

func (p Paint) dim(text string) string { return p.in(grey, text) }

func (p Paint) stage(s engine.Stage, text string) string {
	switch s {
	case engine.Done:
		return p.in(green, text)
	case engine.Failed:
		return p.in(red, text)
	case engine.Undone, engine.Undoing, engine.Skipped:
		return p.in(yellow, text)
	case engine.Pending:
		return p.dim(text)
	}
	return p.in(blue, text)
}

func (p Paint) status(s engine.Status, text string) string {
	switch s {
	case engine.CompletedStatus:
		return p.in(green, text)
	case engine.PausedStatus, engine.RollingBack, engine.RolledBackStatus:
		return p.in(yellow, text)
	case engine.AbortedStatus:
		return p.in(red, text)
	}
	return p.in(blue, text)
}

func (p Paint) verdict(v evidence.Verdict, text string) string {
	switch v {
	case evidence.Pass:
		return p.in(green, text)
	case evidence.Fail:
		return p.in(red, text)
	}
	return p.in(yellow, text)
}

// pad fills text up to a width, or cuts it.
func pad(text string, width int) string {
	text = cut(text, width)
	return text + strings.Repeat(" ", max(width-ansi.StringWidth(text), 0))
}

// cut shortens text to a width; text from the world cannot move the cursor.
func cut(text string, width int) string {
	if width <= 0 {
		return ""
	}
	return ansi.Truncate(text, width, "…")
}

// clean makes one line of text from the world, without anything that a
// terminal would obey.
func clean(text string) string {
	text = ansi.Strip(text)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return -1
		}
		return r
	}, text)
}

// widest is the width of the widest text, at most a bound.
func widest(bound int, texts []string) int {
	w := 0
	for _, t := range texts {
		w = max(w, ansi.StringWidth(t))
	}
	return min(w, bound)
}

// bar is a progress bar of a width, part of whole.
func (p Paint) bar(part, whole float64, width int) string {
	if whole <= 0 {
		return ""
	}
	full := min(max(int(part/whole*float64(width)), 0), width)
	return "[" + p.in(green, strings.Repeat("█", full)) + p.dim(strings.Repeat("░", width-full)) + "]"
}
