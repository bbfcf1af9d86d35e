package rollout

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// lookEvery is how soon a change of the file takes hold.
const lookEvery = 200 * time.Millisecond

// File is one that is followed.
type File struct {
	path  string
	state atomic.Pointer[state]
	held  []byte // what was taken over last
	last  []byte // what the last look has seen
}

type state struct {
	config  Config
	problem error
}

// Open reads the file for the first time, which must succeed: a service that
// does not know its flags does not start.
func Open(path string) (*File, error) {
	f := &File{path: path}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("migration config: %w", err)
	}
	config, err := Parse(src)
	if err != nil {
		return nil, fmt.Errorf("migration config %s: %w", path, err)
	}
	f.held, f.last = src, src
	f.state.Store(&state{config: config})
	return f, nil
}

// Fixed is a configuration without a file.
func Fixed(c Config) *File {
	f := &File{}
	f.state.Store(&state{config: c})
	return f
}

// Config is what holds now.
func (f *File) Config() Config { return f.state.Load().config }

// Flag says whether one is on now.
func (f *File) Flag(name string) bool { return f.Config().Flag(name) }

// Problem says why the file as it is now does not hold; nil when it does.
func (f *File) Problem() error { return f.state.Load().problem }

// Watch follows the file until ctx ends, and says to changed what holds from
// now on. The content decides: an editor's new file under the old name counts,
// and a new time alone does not. It must be the same at two looks, as who writes
// into the file leaves it half written for a moment.
func (f *File) Watch(ctx context.Context, log *slog.Logger, changed func(Config)) {
	if f.path == "" {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if f.look(log) && changed != nil {
				changed(f.Config())
			}
		case <-ctx.Done():
			return
		}
	}
}

func (f *File) look(log *slog.Logger) (changed bool) {
	before := f.state.Load()
	src, err := os.ReadFile(f.path)
	if err == nil {
		settled := bytes.Equal(src, f.last)
		f.last = src
		if !settled || bytes.Equal(src, f.held) && before.problem == nil {
			return false
		}
		f.held = src
	}
	after := state{config: before.config}
	if err == nil {
		var c Config
		if c, err = Parse(src); err == nil {
			after.config = c
		}
	}
	after.problem = err
	f.state.Store(&after)
	switch {
	case err != nil && (before.problem == nil || before.problem.Error() != err.Error()):
		log.Error("the migration config does not hold; what held before does", "file", f.path, "error", err)
	case err == nil:
		log.Info("migration config", "phase", after.config.Phase, "canary", after.config.Canary, "on", after.config.On)
		return true
	}
	return false
}
