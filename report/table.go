package report

import (
	"strings"
	"unicode/utf8"
)

// A table is rows of cells whose columns are aligned. A row of a single cell
// is a remark on the row above it and makes no column wider.
type table [][]string

func (t *table) row(cells ...string) { *t = append(*t, cells) }

func (t table) widths() []int {
	var w []int
	for _, row := range t {
		if len(row) == 1 {
			continue
		}
		for i, cell := range row {
			if i == len(w) {
				w = append(w, 0)
			}
			w[i] = max(w[i], utf8.RuneCountInString(cell))
		}
	}
	return w
}

func padded(cell string, width int) string {
	return cell + strings.Repeat(" ", max(width-utf8.RuneCountInString(cell), 0))
}

// text is the table with two blanks between its columns; a column that is
// empty throughout takes no room.
func (t table) text(indent string) string {
	w := t.widths()
	var b strings.Builder
	for _, row := range t {
		line := indent
		for i, cell := range row {
			if len(row) == 1 {
				line += cell
			} else if w[i] > 0 {
				line += padded(cell, w[i]) + "  "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// markdown is the table in Markdown; its first row is the head.
func (t table) markdown() string {
	esc := make(table, len(t))
	for i, row := range t {
		for _, cell := range row {
			esc[i] = append(esc[i], escape(cell))
		}
	}
	w := esc.widths()
	var b strings.Builder
	for i, row := range esc {
		b.WriteString("|")
		for j, cell := range row {
			b.WriteString(" " + padded(cell, w[j]) + " |")
		}
		b.WriteString("\n")
		if i == 0 {
			b.WriteString("|")
			for _, n := range w {
				b.WriteString(strings.Repeat("-", n+2) + "|")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// escape keeps a cell from ending its column, its row or the text around it.
func escape(cell string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;").Replace(cell)
}
