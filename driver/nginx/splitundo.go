package nginx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge"
)

// Undo brings traffic back first, by the link, and then the files.
func (a *split) Undo(ctx context.Context, e driver.Effect) error {
	v, err := a.read(e.Before)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	s, share, there, err := v.settings(a.p.Name)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if there {
		err = a.back(ctx, e.Mine, s, share)
	} else {
		err = a.away(ctx, e)
	}
	if old, ok := errors.AsType[*oldWorkersError](err); ok {
		return &driver.Kept{
			What: fmt.Sprintf("%d workers of NGINX's old generation", old.left),
			Cost: "the connections that they carry (WebSockets, say) stay on the side they are on until they end",
			Hint: "worker_shutdown_timeout ends them",
		}
	}
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

// back goes to a split that was there.
func (a *split) back(ctx context.Context, mine func() error, s settings, share edge.Share) error {
	if err := a.point(ctx, mine, s, share); err != nil {
		return err
	}
	found, err := a.conn.look(a.p.Name)
	if err != nil {
		return err
	}
	if !a.written(found, s) {
		if err := a.write(ctx, mine, found, s); err != nil {
			return err
		}
	}
	m, err := a.conn.master()
	if err != nil {
		return fmt.Errorf("the files are as they were, and NGINX goes by them when it starts: %w", err)
	}
	got, err := a.conn.ask(ctx, a.p.Name, "")
	if err == nil && got.generation == s.generation() {
		return a.settles(ctx, s, share)
	}
	if _, err := a.conn.test(ctx); err != nil {
		return fmt.Errorf("the files are as they were, and NGINX cannot load them: its configuration is broken: %w", err)
	}
	if err := a.reload(ctx, mine, m, s); err != nil {
		return err
	}
	return a.settles(ctx, s, share)
}

// away takes a split out that was not there before. Where the configuration
// has come to need it, it stays, and gives all to the old side.
func (a *split) away(ctx context.Context, e driver.Effect) error {
	found, err := a.conn.look(a.p.Name)
	if err != nil || !found.there {
		return err
	}
	to, err := a.read(e.Want)
	if err != nil {
		return err
	}
	s, _, _, err := to.settings(a.p.Name)
	if err != nil {
		return err
	}
	p := a.conn.paths(a.p.Name)
	if s.Tee != "" { // off is off; taking the files out would cost a reload
		if err := a.back(ctx, e.Mine, s, 0); err != nil {
			return err
		}
		return &driver.Kept{
			What:   fmt.Sprintf("the files of shadow %s, at 0%%", a.p.Name),
			Cost:   "to take them out of NGINX is a reload, which resets connections, and at 0% nothing is mirrored",
			Hint:   fmt.Sprintf("remove %s/%s.* before the next reload", a.conn.dir, a.p.Name),
			Fields: map[string][]string{a.resource.ID: {"*"}},
		}
	}
	needed, err := a.needed(ctx, p)
	if err != nil {
		return err
	}
	if needed {
		if s.Way == byReload {
			s.Share = edge.Share(0).String()
		}
		kept := &driver.Kept{
			What:   fmt.Sprintf("the files of split %s, at 0%%", a.p.Name),
			Cost:   "NGINX's configuration uses $segue_" + a.p.Name + ", and would be broken without them",
			Hint:   fmt.Sprintf("take it out of the configuration, reload, and remove %s/%s.*", a.conn.dir, a.p.Name),
			Fields: map[string][]string{a.resource.ID: {"*"}},
		}
		if err := a.back(ctx, e.Mine, s, 0); err != nil {
			return err
		}
		return kept
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := p.remove(); err != nil {
		return fmt.Errorf("%s: %w", a.resource.Name, err)
	}
	return a.unload(ctx, e.Mine)
}

// needed reports whether the configuration would be broken without the split.
// One that is broken already cannot be asked: then the split stays.
func (a *split) needed(ctx context.Context, p paths) (bool, error) {
	d, err := a.conn.test(ctx)
	if _, broken := errors.AsType[*brokenError](err); broken {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	rest := d.without(a.conn.dir)
	return strings.Contains(rest, "segue_"+a.p.Name) || a.conn.named(rest, p.http) || a.conn.named(rest, p.server), nil
}

// unload reloads until NGINX no longer runs the split.
func (a *split) unload(ctx context.Context, mine func() error) error {
	m, err := a.conn.master()
	if errors.Is(err, errNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := a.conn.ask(ctx, a.p.Name, ""); errors.Is(err, errSilent) || errors.Is(err, errStranger) {
		return nil
	}
	before, err := m.workers()
	if err != nil {
		return err
	}
	said := a.conn.complaints()
	if err := mine(); err != nil {
		return err
	}
	if err := m.hangUp(); err != nil {
		return fmt.Errorf("%s: reload: %w", a.conn, err)
	}
	if err := a.gone(ctx, said); err != nil {
		return err
	}
	return m.oldEnd(ctx, before, a.p.oldWorkers())
}

// gone waits until NGINX answers for the split no more.
func (a *split) gone(ctx context.Context, said func() string) error {
	until := time.Now().Add(serveFor)
	for {
		_, err := a.conn.ask(ctx, a.p.Name, "")
		if errors.Is(err, errSilent) || errors.Is(err, errStranger) {
			return nil
		}
		if why := said(); why != "" || !time.Now().Before(until) {
			return a.conn.refused("it did not load the configuration without the split: "+why, "put that right, and reload it")
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}
