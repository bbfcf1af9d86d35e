package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/state"
)

// serveFor bounds the time until a new generation serves.
const serveFor = 20 * time.Second

// Apply points the link to another share, and writes the configuration anew
// only where more than that has changed.
func (a *split) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	v, err := a.read(e.Want)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	s, share, _, err := v.settings(a.p.Name)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	was, err := a.read(e.Before)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if was.whole(a.p.Name) {
		err = a.forward(ctx, e, s, share)
	} else { // planned over it: traffic first
		err = a.back(ctx, e.Mine, s, share)
	}
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return a.Observe(ctx)
}

// Resume implements driver.Resumable: what is there already is not done again.
func (a *split) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

func (a *split) forward(ctx context.Context, e driver.Effect, s settings, share edge.Share) error {
	m, err := a.conn.master()
	if err != nil {
		return a.notRunning(err)
	}
	found, err := a.conn.look(a.p.Name)
	if err != nil {
		return err
	}
	now, silent := a.conn.ask(ctx, a.p.Name, "")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	running := silent == nil && now.generation == s.generation()
	written := a.written(found, s)
	if running && written {
		if err := a.point(ctx, e.Mine, s, share); err != nil {
			return err
		}
		if e.Cursor != nil { // who began it may have waited for them still
			if err := m.oldEnd(ctx, nil, a.p.oldWorkers()); err != nil {
				return err
			}
		}
		return a.settles(ctx, s, share)
	}
	d, err := a.tested(ctx, found)
	if err != nil {
		return err
	}
	if d != nil && share > 0 && s.Path == "" && s.Tee == "" && !strings.Contains(d.without(a.conn.dir), "segue_"+a.p.Name) {
		return a.conn.refused("nothing in its configuration uses $segue_"+a.p.Name+", so that a share would change nothing", fmt.Sprintf("set new: 0%% first, then write `proxy_pass http://$segue_%s;` where requests are passed on, and reload", a.p.Name))
	}
	if silent != nil {
		if err := a.conn.portFree(ctx); err != nil {
			return err
		}
	}
	if err := e.Save(ctx, map[string]string{"generation": s.generation()}); err != nil {
		return err
	}
	if err := a.point(ctx, e.Mine, s, share); err != nil {
		return err
	}
	if err := a.install(ctx, e.Mine, m, found, s); err != nil {
		return err
	}
	return a.settles(ctx, s, share)
}

// written reports whether the configuration's files are those of the settings.
func (a *split) written(found disk, s settings) bool {
	p := a.conn.paths(a.p.Name)
	return bytes.Equal(found.http, s.httpFile(p.link)) && bytes.Equal(found.server, s.serverFile(p.link))
}

// point makes the share's directory and the link to it, where the way is by
// files.
func (a *split) point(ctx context.Context, mine func() error, s settings, share edge.Share) error {
	if s.Way != byFiles {
		return nil
	}
	p := a.conn.paths(a.p.Name)
	if is, there, err := p.share(); there && err == nil && is == share {
		return nil
	}
	if err := mine(); err != nil {
		return err
	}
	if err := p.build(share); err != nil {
		return fmt.Errorf("%s: the share's directory: %w", a.resource.Name, err)
	}
	if err := mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.point(share); err != nil {
		return fmt.Errorf("%s: the link to the share: %w", a.resource.Name, err)
	}
	if err := p.last(share); err != nil {
		return fmt.Errorf("%s: sync the share: %w", a.resource.Name, err)
	}
	return nil
}

// install writes the files, lets NGINX test and then load them. If it does not
// take them, what was there is put back.
func (a *split) install(ctx context.Context, mine func() error, m master, was disk, s settings) error {
	err := a.write(ctx, mine, was, s)
	if err == nil {
		var d *dump
		if d, err = a.conn.test(ctx); err == nil {
			err = a.fits(d)
		}
	}
	if err == nil {
		err = a.reload(ctx, mine, m, s)
	}
	var old *oldWorkersError
	if err == nil || errors.As(err, &old) || errors.Is(err, driver.ErrNotMine) || ctx.Err() != nil {
		return err
	}
	if broken, ok := errors.AsType[*brokenError](err); ok {
		err = a.conn.refused("it does not take the files of the split: "+broken.said, "put right what it says of the configuration around them")
	}
	return errors.Join(err, a.putBack(ctx, mine, was))
}

func (a *split) write(ctx context.Context, mine func() error, was disk, s settings) error {
	p := a.conn.paths(a.p.Name)
	if err := makeDirOnce(a.conn.dir); err != nil {
		return fmt.Errorf("%s: %w", a.resource.Name, err)
	}
	for _, f := range []struct {
		path     string
		was, now []byte
	}{{p.http, was.http, s.httpFile(p.link)}, {p.server, was.server, s.serverFile(p.link)}} {
		if bytes.Equal(f.was, f.now) {
			continue
		}
		if err := edge.Replace(ctx, mine, f.path, f.was, f.now); err != nil {
			return err
		}
	}
	return nil
}

// putBack gives the files back that were there, and NGINX goes on with what it
// has.
func (a *split) putBack(ctx context.Context, mine func() error, was disk) error {
	p := a.conn.paths(a.p.Name)
	if !was.there {
		if err := mine(); err != nil {
			return err
		}
		return p.remove()
	}
	for _, f := range []struct {
		path string
		was  []byte
	}{{p.http, was.http}, {p.server, was.server}} {
		now, there, err := edge.ReadFile(f.path)
		if err != nil {
			return err
		}
		if !there {
			now = nil
		}
		if f.was == nil || bytes.Equal(now, f.was) {
			continue
		}
		if err := edge.Replace(ctx, mine, f.path, now, f.was); err != nil {
			return err
		}
	}
	if was.settings.Way == byFiles && was.wrong == nil {
		return a.point(ctx, mine, was.settings, was.share)
	}
	return nil
}

// reload makes NGINX load its configuration, and waits until the new
// generation serves and the old one has ended.
func (a *split) reload(ctx context.Context, mine func() error, m master, s settings) error {
	before, err := m.workers()
	if err != nil {
		return err
	}
	said := a.conn.complaints()
	if err := mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.hangUp(); err != nil {
		return fmt.Errorf("%s: reload: %w", a.conn, err)
	}
	if err := a.serves(ctx, s, said); err != nil {
		return err
	}
	return m.oldEnd(ctx, before, a.p.oldWorkers())
}

// serves waits until NGINX says that it runs the generation of the settings.
func (a *split) serves(ctx context.Context, s settings, said func() string) error {
	until := time.Now().Add(serveFor)
	for {
		got, err := a.conn.ask(ctx, a.p.Name, "")
		if err == nil && got.generation == s.generation() {
			return nil
		}
		why := said()
		// It tries a port again for some seconds before it gives up.
		trying := strings.Contains(why, "bind()") && !strings.Contains(why, "still could not bind")
		if why != "" && !trying || !time.Now().Before(until) {
			if why == "" {
				why = fmt.Sprintf("nothing is to be seen of the new generation after %s", serveFor)
			}
			return a.conn.refused("it did not load the configuration: "+why, "put that right; NGINX goes on with what it had")
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

// settles asks until NGINX goes by the share: for a moment after a reload old
// workers still take connections, where nobody waits for them to end.
func (a *split) settles(ctx context.Context, s settings, share edge.Share) error {
	until := time.Now().Add(5 * time.Second)
	for {
		err := a.goesBy(ctx, s, share, 32)
		if err == nil || !time.Now().Before(until) || pause(ctx, 10*time.Millisecond) != nil {
			return err
		}
	}
}

// goesBy asks NGINX itself where some keys go.
func (a *split) goesBy(ctx context.Context, s settings, share edge.Share, keys int) error {
	for i := range keys {
		got, err := a.conn.ask(ctx, a.p.Name, fmt.Sprintf("segue-%d", i))
		if err != nil {
			return err
		}
		want := s.Old
		if got.bucket < int(share) {
			want = s.New
		}
		switch {
		case got.generation != s.generation():
			return fmt.Errorf("%s: NGINX runs the generation %s, and %s was wanted", a.resource.Name, got.generation, s.generation())
		case got.side != want:
			return fmt.Errorf("%s: NGINX gives bucket %d to %s, and at %s it is %s's: can its workers look into %s?", a.resource.Name, got.bucket, got.side, share, want, a.conn.dir)
		}
	}
	return nil
}

// Witness implements driver.Witness: NGINX is asked where two hundred keys go.
// Where there was no split before, all of them go to the old side, whether the
// files had to be kept or not.
func (a *split) Witness(ctx context.Context, want state.State) error {
	v, err := a.read(want)
	if err != nil {
		return err
	}
	s, share, there, err := v.settings(a.p.Name)
	if err != nil {
		return err
	}
	if there {
		return a.goesBy(ctx, s, share, 200)
	}
	for i := range 200 {
		got, err := a.conn.ask(ctx, a.p.Name, fmt.Sprintf("segue-%d", i))
		if err != nil {
			return nil // NGINX does not run it
		}
		if got.side != a.settings.Old {
			return fmt.Errorf("%s: NGINX still runs it, and gives bucket %d to %s", a.resource.Name, got.bucket, got.side)
		}
	}
	return nil
}
