package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/state"
)

// A view is the owned fields of a split; all are null where there is none.
type view struct {
	New     *string `json:"new"`
	Way     *string `json:"way"`
	By      *string `json:"by"`
	NewSide *string `json:"new-side"`
	OldSide *string `json:"old-side"`
	Path    *string `json:"path"`
	Idle    *string `json:"idle"`
	Tee     *string `json:"tee"`
	Unsafe  *bool   `json:"unsafe-methods"`
	Control *string `json:"control"`
	Log     *string `json:"log"`
	Files   *string `json:"files"`   // whole, or what is wrong with them
	Serving *string `json:"serving"` // the generation that NGINX runs
}

const wholeFiles = "whole"

func viewOf(s settings, share edge.Share, serving string) view {
	v := view{
		New: new(share.String()), Way: &s.Way, By: &s.By, NewSide: &s.New, OldSide: &s.Old,
		Control: &s.Control, Log: &s.Log, Files: new(wholeFiles),
	}
	if s.Path != "" {
		v.Path, v.Idle = &s.Path, &s.Idle
	}
	if s.Tee != "" {
		v.Tee, v.Unsafe = &s.Tee, &s.Unsafe
	}
	if serving != "" {
		v.Serving = &serving
	}
	return v
}

// settings takes them and the share back; there is false where there is none.
func (v view) settings(name string) (s settings, share edge.Share, there bool, err error) {
	if v.New == nil || v.Way == nil || v.By == nil || v.NewSide == nil || v.OldSide == nil || v.Control == nil || v.Log == nil {
		return s, 0, false, nil
	}
	if share, err = edge.ParseShare(*v.New); err != nil {
		return s, 0, true, err
	}
	s = settings{Version: version, Name: name, Way: *v.Way, By: *v.By, New: *v.NewSide, Old: *v.OldSide, Control: *v.Control, Log: *v.Log}
	if v.Path != nil && v.Idle != nil {
		s.Path, s.Idle = *v.Path, *v.Idle
	}
	if v.Tee != nil && v.Unsafe != nil {
		s.Tee, s.Unsafe = *v.Tee, *v.Unsafe
	}
	if s.Way == byReload {
		s.Share = share.String()
	}
	return s, share, true, nil
}

// read decodes what a state holds of the split.
func (a *split) read(st state.State) (view, error) {
	var v view
	ok, err := st.Decode(a.resource.ID, &v)
	if err == nil && !ok {
		err = errors.New("the state says nothing of it")
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", a.resource.Name, err)
	}
	return v, nil
}

// disk is what the files of a split say.
type disk struct {
	http, server []byte // nil where there is none
	settings     settings
	share        edge.Share
	there        bool
	wrong        error // why they are not whole
}

// look reads the files.
func (c *Conn) look(name string) (disk, error) {
	var d disk
	p := c.paths(name)
	var err1, err2 error
	var hasHTTP, hasServer bool
	d.http, hasHTTP, err1 = edge.ReadFile(p.http)
	d.server, hasServer, err2 = edge.ReadFile(p.server)
	if err := errors.Join(err1, err2); err != nil {
		return d, fmt.Errorf("%s: %w", c, err)
	}
	share, linked, wrong := p.share()
	d.there = hasHTTP || hasServer || linked
	if !d.there {
		return d, nil
	}
	switch {
	case !hasHTTP:
		d.wrong = fmt.Errorf("%s is missing", p.http)
		return d, nil
	case !hasServer:
		d.wrong = fmt.Errorf("%s is missing", p.server)
	}
	s, err := parseSealed(d.http)
	if err != nil {
		d.wrong = fmt.Errorf("%s: %w", p.http, err)
		return d, nil
	}
	d.settings = s
	if d.share = share; s.Way == byReload {
		if d.share, wrong = edge.ParseShare(s.Share); wrong != nil {
			wrong = fmt.Errorf("%s: %w", p.http, wrong)
		}
	} else if !linked {
		wrong = fmt.Errorf("%s is missing", p.link)
	}
	if d.wrong == nil {
		d.wrong = wrong
	}
	if of, err := parseSealed(d.server); d.wrong == nil && err != nil {
		d.wrong = fmt.Errorf("%s: %w", p.server, err)
	} else if d.wrong == nil && (of != s || !bytes.Equal(d.server, s.serverFile(p.link))) {
		d.wrong = fmt.Errorf("%s and %s were written for different settings", p.http, p.server)
	}
	return d, nil
}

// Observe implements driver.Action.
func (a *split) Observe(ctx context.Context) (state.State, error) {
	d, err := a.conn.look(a.p.Name)
	if err != nil {
		return nil, err
	}
	if !d.there {
		return state.Of(a.resource.ID, view{}), nil
	}
	serving := ""
	got, err := a.conn.ask(ctx, a.p.Name, "")
	switch {
	case err == nil:
		serving = got.generation
	case ctx.Err() != nil:
		return nil, err
	}
	v := viewOf(d.settings, d.share, serving)
	if d.settings.Name == "" { // nobody can tell what it was written for
		v = view{Serving: v.Serving}
	}
	if d.wrong != nil {
		v.Files = new(d.wrong.Error())
	}
	return state.Of(a.resource.ID, v), nil
}
