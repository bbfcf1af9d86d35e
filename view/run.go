package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
)

// Options of a view. The zero value is fine.
type Options struct {
	// Plain prints lines also where there is a terminal.
	Plain bool
	// In is where keys come from; nil is the process's standard input.
	In *os.File
	// Interrupt is called when Ctrl-C is typed at the screen, where it sends
	// no signal; nil leaves the view.
	Interrupt func()
	// Every is how often plain lines tell of progress, 5 s at zero.
	Every time.Duration
	// Notes, if set, gives lines to show beside the run (the load's rate).
	Notes func() []string
}

// Run shows a run until it is over, ctx ends, or the view is left. The run
// goes on whatever happens to the view.
func Run(ctx context.Context, src Source, out io.Writer, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	f := newFollower(src)
	followed := make(chan error, 1)
	go func() { followed <- f.follow(ctx) }()
	var err error
	if file, ok := terminal(out); ok && !o.Plain {
		err = screen(ctx, f, file, followed, o)
	} else {
		err = plain(ctx, f, out, followed, o)
	}
	cancel()
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil // whoever shows the run ended the view
	}
	return fmt.Errorf("show run: %w", err)
}

// terminal is out as a terminal, if it is one that can be drawn on.
func terminal(out io.Writer) (*os.File, bool) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(file.Fd()) || os.Getenv("TERM") == "dumb" {
		return nil, false
	}
	return file, true
}
