package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/memory"
	"github.com/segue-run/segue/runbook"
)

// head is a runbook's beginning: who can be told.
const head = `segue: v1
name: moving
description: All of it moves.
connections:
  chat:  {chat: {name: chat}}
  other: {chat: {name: other}}
  pager: {pager: {name: pager, key: "${PAGER_KEY}"}}
contacts:
  on-call: {name: Ada Lind, phone: "+49 30 23125 101", slack: "#ada"}
  lead:    {name: Bo Sund,  phone: "+49 30 23125 102", slack: "#bo"}
checks:
  ok: {look: {}}
templates:
  status: "Subject: [{{.Status}}] {{.Runbook}}\n\nlag {{figure \"ok\"}} {{.Event}} {{.Severity}}"
`

const tail = `
phases:
  - name: one
    steps: [{name: Change x, change: {}}]
  - name: two
    approve: {roles: [boss]}
    steps: [{name: Change y, change: {}}]
`

// outlets is a catalog whose connections are outlets.
type outlets struct {
	mu   sync.Mutex
	open map[string]*outlet
}

// An outlet hears what is told. fails, if set, says what becomes of a try.
type outlet struct {
	mu    sync.Mutex
	fails func(try int, n driver.Notice) error
	hang  bool
	tries int
	heard []heard
}

type heard struct {
	driver.Notice
	to, thread string
	when       time.Time
}

func (o *outlet) Tell(ctx context.Context, n driver.Notice, to, thread string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if o.hang {
		o.mu.Unlock()
		<-ctx.Done()
		o.mu.Lock()
		return "", ctx.Err()
	}
	if o.fails != nil {
		if err := o.fails(o.tries, n); err != nil {
			return "", err
		}
	}
	o.heard = append(o.heard, heard{n, to, thread, time.Now()})
	if thread == "" {
		thread = "thread " + to
	}
	return thread, nil
}

func (o *outlet) Close() error { return nil }

func (o *outlet) tried() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tries
}

func (o *outlet) titles() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, h := range o.heard {
		out = append(out, h.Title)
	}
	return out
}

func (o *outlet) all() []heard {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.heard)
}

func (o *outlets) named(name string) *outlet {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = map[string]*outlet{}
	}
	if o.open[name] == nil {
		o.open[name] = &outlet{}
	}
	return o.open[name]
}

func (o *outlets) Open(_ context.Context, u runbook.Use, env driver.Env) (driver.Conn, error) {
	for _, ref := range driver.References(u.Params) {
		if _, err := env(ref); err != nil {
			return nil, err
		}
	}
	return o.named(u.Params["name"].(string)), nil
}

func (o *outlets) Kinds(c runbook.Class) []runbook.Kind {
	name := runbook.Field{Name: "name", Type: runbook.String}
	switch c {
	case runbook.Connection:
		chat := runbook.Kind{Name: "chat", Provides: []string{"notices"}, Address: "slack", Fields: []runbook.Field{name}}
		chat.Reaches = func(_ runbook.Params, to []string) error {
			if len(to) == 0 {
				return errors.New("to whom?")
			}
			return nil
		}
		pager := runbook.Kind{Name: "pager", Provides: []string{"notices", "incidents"}, Fields: []runbook.Field{name, {Name: "key", Type: runbook.String}}}
		pager.Reaches = func(_ runbook.Params, to []string) error { return nil }
		return []runbook.Kind{chat, pager}
	case runbook.Action:
		return []runbook.Kind{{Name: "change"}}
	}
	return []runbook.Kind{{Name: "look"}}
}

func (o *outlets) Kind(c runbook.Class, name string) (runbook.Kind, bool) {
	for _, k := range o.Kinds(c) {
		if k.Name == name {
			return k, true
		}
	}
	return runbook.Kind{}, false
}

// A writer writes a run's journal.
type writer struct {
	t     *testing.T
	store *memory.Store
	lease journal.Lease
	seq   int64
}

const id = "01RUN"

func begun(t *testing.T, routes string) (*writer, *memory.Disk) {
	t.Helper()
	disk := &memory.Disk{}
	w := &writer{t: t, store: disk.Open(), seq: 1}
	text := head + routes + tail
	first := w.record(engine.Created{Name: "moving", File: "r.yaml", Text: text, Actor: "ann"})
	if _, err := runbook.Parse("r.yaml", []byte(text), &outlets{}, runbook.Values{}); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Create(t.Context(), id, "moving", time.Now(), []journal.Record{first}); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.lease, err = w.store.Acquire(t.Context(), id, "a", time.Now(), 1000*time.Hour); err != nil {
		t.Fatal(err)
	}
	w.say(engine.Acquired{Holder: "a", Actor: "ann", Epoch: 1})
	return w, disk
}

func (w *writer) record(ev engine.Event) journal.Record {
	raw, err := json.Marshal(ev)
	if err != nil {
		w.t.Fatal(err)
	}
	return journal.Record{At: time.Now(), Type: ev.Type(), Version: engine.Version, Data: raw}
}

func (w *writer) say(events ...engine.Event) {
	w.t.Helper()
	for _, ev := range events {
		var err error
		if w.seq, err = w.store.Append(w.t.Context(), w.lease, time.Now(), w.seq, []journal.Record{w.record(ev)}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A posting is a Post at work.
type posting struct {
	stop chan struct{}
	done chan struct{}
	left int
	err  error
}

func post(ctx context.Context, p *Post, patience time.Duration) *posting {
	o := &posting{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(o.done)
		o.left, o.err = p.Deliver(ctx, o.stop, patience)
	}()
	return o
}

func (o *posting) end() (int, error) {
	close(o.stop)
	<-o.done
	return o.left, o.err
}

func states(t *testing.T, disk *memory.Disk) []string {
	t.Helper()
	all, err := disk.Open().Deliveries(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range all {
		state := "waits"
		switch {
		case d.Delivered:
			state = "delivered"
		case d.Next.IsZero():
			state = "given up"
		}
		out = append(out, fmt.Sprintf("%s: %s after %d", d.Key, state, d.Tries))
	}
	slices.Sort(out) // lanes go side by side
	return out
}
