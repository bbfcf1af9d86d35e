package nats

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// streamAction makes a stream be as the runbook says. It owns the settings
// that are given, and the stream's existence.
type streamAction struct {
	c      *Conn
	p      streamParams
	id     string
	fields state.Fields // what is given
}

type streamActionParams struct {
	On string `param:"on,required,connection"`
	streamParams
}

func newStream(_ context.Context, c *Conn, p streamActionParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a := &streamAction{c: c, p: p.streamParams, id: c.streamID(p.Name), fields: p.given().fields(streamSettings())}
	if s := p.subjects(); s != nil {
		a.fields["subjects"] = compact(s)
	}
	return a, nil
}

func (a *streamAction) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "stream " + a.p.Name + " on nats cluster " + a.c.cluster}}
}

func (a *streamAction) Observe(ctx context.Context) (state.State, error) {
	info, err := a.c.stream(ctx, a.p.Name)
	if err != nil {
		return nil, err
	}
	return a.seen(info), nil
}

func (a *streamAction) seen(info *streamInfo) state.State {
	if info == nil {
		return state.State{a.id: {"exists": compact(false)}}
	}
	f := seenFields(streamSettings(), info.Config, a.fields)
	if _, owned := a.fields["subjects"]; owned {
		f["subjects"] = compact(info.subjects())
	}
	f["exists"] = compact(true)
	return state.State{a.id: f}
}

func (a *streamAction) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	info, err := a.c.stream(ctx, a.p.Name)
	if err != nil {
		return nil, err
	}
	if info == nil {
		cfg := config{"storage": compact("file"), "retention": compact("limits"), "discard": compact("old"), "num_replicas": compact(1)}
		if err := a.write(cfg, e.Want[a.id]); err != nil {
			return nil, err
		}
		info, err = a.c.createStream(ctx, e.Mine, a.p.Name, cfg)
	} else if cfg, changed, werr := a.changed(info, e.Want[a.id]); werr != nil {
		return nil, werr
	} else if changed {
		info, err = a.c.updateStream(ctx, e.Mine, a.p.Name, cfg)
	}
	if err != nil {
		return nil, err
	}
	return a.seen(info), nil
}

// changed is the stream's configuration with fields put in, and whether that
// makes a difference.
func (a *streamAction) changed(info *streamInfo, fields state.Fields) (config, bool, error) {
	differs := false
	now := a.seen(info)[a.id]
	for name, v := range fields {
		if name != "exists" && !same(now[name], v) {
			differs = true
		}
	}
	cfg := config{}
	for k, v := range info.Config {
		cfg[k] = v
	}
	return cfg, differs, a.write(cfg, fields)
}

// write puts owned fields into a configuration.
func (a *streamAction) write(cfg config, fields state.Fields) error {
	for _, s := range streamSettings() {
		v, ok := fields[s.name]
		if !ok || same(s.seen(cfg), v) {
			continue
		}
		if err := s.put(cfg, v); err != nil {
			return fmt.Errorf("stream %s: %w", a.p.Name, err)
		}
	}
	if v, ok := fields["subjects"]; ok {
		putSubjects(a.p.Name, cfg, list(v))
	}
	return nil
}
