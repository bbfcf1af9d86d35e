package teleoperation

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

const (
	// reviewEvery is how often all robots are looked at: what changed while the
	// service did not follow is found then.
	reviewEvery = 30 * time.Second
	retryEvery  = 500 * time.Millisecond
)

// robots is the copy of them that changes keep current.
type robots struct {
	state    *stateclient.Client
	sessions *sessions
	log      *slog.Logger

	mu    sync.Mutex
	known map[string]robot.Robot
	whole bool // all were read once
}

// get gives a robot from the copy; whole is false until there is one.
func (r *robots) get(id string) (found robot.Robot, exists, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, exists = r.known[id]
	return found, exists, r.whole
}

// follow keeps the copy and the observed sessions current until ctx ends.
func (r *robots) follow(ctx context.Context) {
	r.state.Follow(ctx, r.log, nil, func(changes []api.Change) {
		var driven, free, gone []string
		last := map[string]api.Change{} // of several of one robot the last counts
		for _, c := range changes {
			last[c.RobotID] = c
		}
		r.mu.Lock()
		for id, c := range last {
			switch {
			case c.Robot == nil:
				delete(r.known, id)
				gone = append(gone, id)
				continue
			case c.Robot.Teleoperation:
				driven = append(driven, id)
			default:
				free = append(free, id)
			}
			if r.known != nil {
				r.known[id] = *c.Robot
			}
		}
		r.mu.Unlock()
		r.until(ctx, func() error { return r.sessions.observe(ctx, driven, free) })
		if len(gone) > 0 {
			r.until(ctx, func() error { return r.sessions.gone(ctx, gone) })
		}
	})
}

// until tries until it is done: what is not noted now would not be noted.
func (r *robots) until(ctx context.Context, try func() error) {
	for said := false; ; said = true {
		err := try()
		if err == nil || ctx.Err() != nil {
			return
		}
		if !said {
			r.log.Warn("observed sessions wait", "error", err)
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return
		}
	}
}

// reviewAll looks at all robots, at once and again and again.
func (r *robots) reviewAll(ctx context.Context) {
	for ctx.Err() == nil {
		pause := reviewEvery
		if err := r.review(ctx); err != nil {
			pause = retryEvery
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (r *robots) review(ctx context.Context) error {
	all, err := r.state.Robots(ctx)
	if err != nil {
		return err //nolint:wrapcheck // it says what was done
	}
	observed, err := r.sessions.observed(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]robot.Robot, len(all))
	var driven, free []string
	for _, one := range all {
		known[one.ID] = one
		if one.Teleoperation {
			driven = append(driven, one.ID)
		}
	}
	for _, id := range observed {
		if !known[id].Teleoperation {
			free = append(free, id)
		}
	}
	r.mu.Lock()
	for id, one := range r.known { // a change that came meanwhile is newer
		if one.Seq > known[id].Seq {
			known[id] = one
		}
	}
	r.known, r.whole = known, true
	r.mu.Unlock()
	return r.sessions.observe(ctx, driven, free)
}
