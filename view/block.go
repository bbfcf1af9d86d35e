package view

import "fmt"

// A block is some lines of the screen that belong together.
type block struct {
	title string
	lines []string
	least int // that it wants to show, when not all fit
	focus int // the line that must be among those shown
	last  bool
	more  bool // says how many are not shown
	room  int  // lines it may take, its title included
	airy  bool // there is room for an empty line above it
}

func (b *block) height() int {
	n := len(b.lines)
	if n > 0 && b.title != "" {
		n++
	}
	return n
}

// share gives each block its room: the least that each wants, then the rest in
// their order.
func share(blocks []*block, height int) {
	for _, b := range blocks {
		want := b.least
		if b.title != "" {
			want++
		}
		b.room = max(min(want, b.height(), height), 0)
		height -= b.room
	}
	for _, b := range blocks {
		extra := max(min(b.height()-b.room, height), 0)
		b.room += extra
		height -= extra
	}
	for _, b := range blocks {
		if height > 0 && b.room > 0 && b.title != "" {
			b.airy = true
			height--
		}
	}
}

// shown are the lines that fit.
func (b *block) shown(p Paint) []string {
	if b.room <= 0 {
		return nil
	}
	var out []string
	n := b.room
	if b.title != "" {
		out = append(out, p.dim("─ "+b.title))
		n--
	}
	hidden := len(b.lines) - n
	switch {
	case hidden <= 0:
		return append(out, b.lines...)
	case n == 0:
		return nil // a title alone says nothing
	case b.last:
		return append(out, b.lines[hidden:]...)
	case b.more:
		out = append(out, b.lines[:n-1]...)
		return append(out, p.dim(fmt.Sprintf("… %d more", hidden+1)))
	}
	from := min(max(b.focus-n/2, 0), hidden)
	return append(out, b.lines[from:from+n]...)
}
