package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/stateclient"
)

const (
	// freshFor is how long a copy is given out without a question, staleFor how
	// long while a new one is on its way.
	freshFor = 500 * time.Millisecond
	staleFor = 2 * time.Second
)

// list is a copy of all robots.
type list struct {
	at     time.Time
	robots []robot.Robot // by id
	legacy []byte        // an api.Robots
}

// lists keeps the newest copy, and has at most one made at a time.
type lists struct {
	state *stateclient.Client

	mu     sync.Mutex
	newest *list
	coming *coming
}

type coming struct {
	done chan struct{}
	list *list
	err  error
}

// get gives a copy that is at most staleFor old.
func (l *lists) get(ctx context.Context) (*list, error) {
	l.mu.Lock()
	have, age := l.newest, time.Duration(0)
	if have != nil {
		age = time.Since(have.at)
	}
	if have != nil && age < freshFor {
		l.mu.Unlock()
		return have, nil
	}
	if l.coming == nil {
		l.coming = &coming{done: make(chan struct{})}
		// Others wait for it too: it does not end with this request.
		go l.make(context.WithoutCancel(ctx), l.coming)
	}
	c := l.coming
	l.mu.Unlock()
	if have != nil && age < staleFor {
		return have, nil
	}
	select {
	case <-c.done:
		return c.list, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("list the robots: %w", context.Cause(ctx))
	}
}

func (l *lists) make(ctx context.Context, c *coming) {
	at := time.Now()
	c.list, c.err = l.read(ctx, at)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.coming = nil; c.err == nil {
		l.newest = c.list
	}
	close(c.done)
}

func (l *lists) read(ctx context.Context, at time.Time) (*list, error) {
	all, err := l.state.Robots(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the robots: %w", err)
	}
	out := api.Robots{Robots: make([]robot.Record, len(all)), Total: len(all)}
	for i, r := range all {
		out.Robots[i] = r.Record()
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("list the robots: %w", err)
	}
	return &list{at: at, robots: all, legacy: body}, nil
}
