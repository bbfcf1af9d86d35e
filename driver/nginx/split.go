package nginx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/state"
)

// split owns the files of one split, and that NGINX goes by them.
type split struct {
	conn     *Conn
	p        splitParams // whole
	share    edge.Share
	settings settings
	resource driver.Resource
}

func splitAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "nginx.split", On: kind, Resumable: true,
		Doc: "Sets the share of the clients that the new side of an NGINX serves, so that a client that is on the new side stays there when the share grows; without a reload, unless the way is reload. Undoing it sets the share that was.",
	}, func(_ context.Context, conn *Conn, p splitParams) (driver.Action, error) { return newSplit(conn, p) })
}

func newSplit(conn *Conn, p splitParams) (*split, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("nginx.split: %w", err)
	}
	share, err := edge.ShareOf("new", p.New)
	if err != nil {
		return nil, fmt.Errorf("nginx.split: %w", err)
	}
	p = p.whole()
	return splitOf(conn, p, share, p.settings(conn, share)), nil
}

func splitOf(conn *Conn, p splitParams, share edge.Share, s settings) *split {
	return &split{conn, p, share, s, driver.Resource{
		ID:   conn.id + "/split/" + p.Name,
		Name: fmt.Sprintf("split %s of %s", p.Name, conn),
	}}
}

func (a *split) Resources() []driver.Resource { return []driver.Resource{a.resource} }

// Survey implements driver.Surveyor: could NGINX take it, as things are?
func (a *split) Survey(ctx context.Context) (state.State, error) {
	if _, err := a.conn.master(); err != nil {
		return nil, a.notRunning(err)
	}
	d, err := a.conn.look(a.p.Name)
	if err != nil {
		return nil, err
	}
	if _, err := a.tested(ctx, d); err != nil {
		return nil, err
	}
	if _, err := a.conn.ask(ctx, a.p.Name, ""); err != nil {
		if err := a.conn.portFree(ctx); err != nil {
			return nil, err
		}
	}
	return state.State{}, nil
}

func (a *split) notRunning(err error) error {
	if errors.Is(err, errNotRunning) {
		return a.conn.refused(strings.TrimPrefix(err.Error(), a.conn.String()+": "), "start it, and try again")
	}
	return err
}

// tested is the configuration as it stands, if NGINX takes it, and all that
// the split needs is there. It is nil where the configuration can only be
// tested once there are the files of the split, whose variables it uses.
func (a *split) tested(ctx context.Context, found disk) (*dump, error) {
	d, err := a.conn.test(ctx)
	if broken, ok := errors.AsType[*brokenError](err); ok {
		if (!found.there || found.wrong != nil) && strings.Contains(broken.said, `unknown "segue_`+a.p.Name) {
			return nil, nil //nolint:nilnil // as the comment says
		}
		return nil, a.conn.refused("its configuration is broken as it stands: "+broken.said, "put it right first (nginx -t)")
	}
	if err != nil {
		return nil, err
	}
	return d, a.fits(d)
}

// fits says what the configuration lacks.
func (a *split) fits(d *dump) error {
	p := a.conn.paths(a.p.Name)
	if !a.conn.includes(d, p.http) {
		return a.conn.refused("its configuration does not include "+p.http, fmt.Sprintf("write `include %s/*.http.conf;` into its http block", a.conn.dir))
	}
	if (a.settings.Way == byFiles || a.settings.Path != "" || a.settings.Tee != "") && !a.conn.includes(d, p.server) {
		return a.conn.refused("its configuration does not include "+p.server, fmt.Sprintf("write `include %s/*.server.conf;` into the server block that is to be split, or take way: reload", a.conn.dir))
	}
	all := d.upstreams()
	for _, side := range []string{a.p.NewSide, a.p.OldSide} {
		if a.settings.Tee == "" && !slices.Contains(all, side) {
			return a.conn.refused("its configuration has no upstream "+side, "name one that it has: "+strings.Join(all, ", "))
		}
	}
	if m := fileCacheLine.FindStringSubmatch(d.without(a.conn.dir)); m != nil && a.settings.Way == byFiles {
		return a.conn.refused(fmt.Sprintf("its configuration says `%s`, so that requests would look at old files, or at none", m[1]), "put it into the locations that need it, behind `open_file_cache off;` and `disable_symlinks off;` in the server, or take way: reload")
	}
	return nil
}

func (a *split) Plan(before state.State) (state.State, error) { return a.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (a *split) PlanAmong(before, _ state.State) (state.State, error) {
	v, err := a.read(before)
	if err != nil {
		return nil, err
	}
	if v.Files != nil && *v.Files != wholeFiles {
		return nil, a.conn.refused(*v.Files, "put back what Segue wrote, or remove the files "+a.conn.dir+"/"+a.p.Name+".* if nothing uses them")
	}
	if s, _, there, err := v.settings(a.p.Name); err != nil {
		return nil, err
	} else if there && (v.Serving == nil || *v.Serving != s.generation()) {
		return nil, a.conn.refused("NGINX does not run what the files of the split say", fmt.Sprintf("reload it; if that does not help, see that its configuration includes %s/*.http.conf and is the one that NGINX was started with", a.conn.dir))
	}
	return state.Of(a.resource.ID, viewOf(a.settings, a.share, a.settings.generation())), nil
}

// PlanOver implements driver.Overrider: what was edited is no obstacle.
func (a *split) PlanOver(state.State) (state.State, error) {
	return state.Of(a.resource.ID, viewOf(a.settings, a.share, a.settings.generation())), nil
}

// whole reports whether the files of the split that was found, if there is one,
// are Segue's, and NGINX runs them.
func (v view) whole(name string) bool {
	s, _, there, err := v.settings(name)
	return err == nil && (v.Files == nil || *v.Files == wholeFiles) && (!there || v.Serving != nil && *v.Serving == s.generation())
}

// Costs implements driver.Costly.
func (a *split) Costs(before, want state.State) string {
	was, err1 := a.read(before)
	to, err2 := a.read(want)
	if err1 != nil || err2 != nil || was.Serving != nil && to.Serving != nil && *was.Serving == *to.Serving {
		return ""
	}
	return "a reload of NGINX: it resets keep-alive connections that are idle at that moment (measured on NGINX 1.22: every second of the busy clients sees one request fail, and a POST is not repeated by itself), and WebSockets stay on the side they are on until they end"
}
