package driver

import (
	"context"
	"time"
)

// Progress is how far something that takes long has come.
type Progress struct {
	Done, Of float64
	What     string        // what is counted: "pairs"
	Left     time.Duration // how long it will yet take; 0 when that is not known
	Note     string        // how it goes, for people
}

type progressKey struct{}

// WithProgress returns a context in which checks that take long tell how far
// they are. tell is called often, by any goroutine, and must be quick.
func WithProgress(ctx context.Context, tell func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// Tell tells how far something is, if somebody wants to know.
func Tell(ctx context.Context, p Progress) {
	if tell, ok := ctx.Value(progressKey{}).(func(Progress)); ok {
		tell(p)
	}
}
