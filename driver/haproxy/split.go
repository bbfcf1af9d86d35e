package haproxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type splitParams struct {
	New     runbook.Percent `param:"new,required" doc:"The share of the clients that the new side serves: 10%, two decimals at most. At 0% and 100% there is no exception."`
	Map     string          `param:"map,required" doc:"The file of the map that the frontend takes the share from, as haproxy.cfg names it: an absolute path."`
	NewSide string          `param:"new-side" doc:"The backend of the new side, which is also its key in the map." default:"new"`
	OldSide string          `param:"old-side" doc:"The backend of the old side." default:"legacy"`
}

// words are what can stand in a command of the runtime API by itself: a space
// or a semicolon would begin something else.
var (
	sideName = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)
	mapPath  = regexp.MustCompile(`^/[A-Za-z0-9_./:@%+=,-]+$`)
)

// Routes reports whether clients are sent to the new side.
func (p splitParams) Routes() bool { return p.New > 0 }

// Validate implements what types cannot say.
func (p splitParams) Validate() error {
	if _, err := edge.ShareOf("new", p.New); err != nil {
		return err
	}
	if !strings.Contains(p.Map, "${") && !mapPath.MatchString(p.Map) {
		return &runbook.FieldError{Field: "map", Problem: fmt.Sprintf("%q is no absolute path that the runtime API can be told", p.Map), Remedy: "write it as in haproxy.cfg, such as /etc/haproxy/split.map, without spaces"}
	}
	for _, f := range []struct{ field, name string }{{"new-side", p.NewSide}, {"old-side", p.OldSide}} {
		if f.name != "" && !strings.Contains(f.name, "${") && !sideName.MatchString(f.name) {
			return &runbook.FieldError{Field: f.field, Problem: fmt.Sprintf("%q is no name of a backend", f.name), Remedy: "write it as in haproxy.cfg, behind `backend`"}
		}
	}
	if p.newSide() == p.oldSide() {
		return &runbook.FieldError{Field: "new-side", Problem: "both sides are " + p.newSide(), Remedy: "name two backends"}
	}
	return nil
}

func (p splitParams) newSide() string { return either(p.NewSide, "new") }
func (p splitParams) oldSide() string { return either(p.OldSide, "legacy") }

func either(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// split owns one key of a map, in memory and in its file.
type split struct {
	conn     *Conn
	p        splitParams
	share    edge.Share
	resource driver.Resource
}

// shares are the owned fields.
type shares struct {
	Running string `json:"new"`     // what HAProxy decides by
	File    string `json:"in-file"` // what it will when it starts again
}

func splitAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "haproxy.split", On: kind, Resumable: true,
		Doc: "Sets the share of the clients that the new side of a HAProxy serves, through its runtime API: at once, without a reload, and so that a client that is on the new side stays there when the share grows. Undoing it sets the share that was.",
	}, func(_ context.Context, conn *Conn, p splitParams) (driver.Action, error) { return newSplit(conn, p) })
}

func newSplit(conn *Conn, p splitParams) (*split, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("haproxy.split: %w", err)
	}
	share, err := edge.ShareOf("new", p.New)
	if err != nil {
		return nil, fmt.Errorf("haproxy.split: %w", err)
	}
	real := p.Map // one map by two names is one resource
	if r, err := filepath.EvalSymlinks(p.Map); err == nil {
		real = r
	}
	return &split{conn, p, share, driver.Resource{
		ID:   kind + ":" + conn.host + "/map" + real + "/" + p.newSide(),
		Name: fmt.Sprintf("share of %s in %s of %s", p.newSide(), p.Map, conn),
	}}, nil
}

func (s *split) Resources() []driver.Resource { return []driver.Resource{s.resource} }

func (s *split) Observe(ctx context.Context) (state.State, error) {
	running, there, err := s.conn.share(ctx, s.p.Map, s.p.newSide())
	if errors.Is(err, errNoMap) {
		return nil, s.refused(fmt.Sprintf("its configuration uses no map %s", s.p.Map), "let the frontend split by it, and reload HAProxy: "+s.lines())
	}
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, s.refused(fmt.Sprintf("map %s has no key %s in memory", s.p.Map, s.p.newSide()), fmt.Sprintf("add the line `%s 0` to the file, and reload HAProxy", s.p.newSide()))
	}
	src, there, err := edge.ReadFile(s.p.Map)
	if err != nil {
		return nil, s.refused(err.Error(), "let Segue read and write the map's file")
	}
	if !there {
		return nil, s.refused(s.p.Map+" is not there, and HAProxy could not start again", fmt.Sprintf("make it, with the line `%s %d`", s.p.newSide(), running))
	}
	file, _, _, err := mapFile(src).find(s.p.Map, s.p.newSide())
	if err != nil {
		return nil, s.refused(err.Error(), fmt.Sprintf("put it right: HAProxy itself has `%s %d`", s.p.newSide(), running))
	}
	return state.Of(s.resource.ID, shares{running.String(), file.String()}), nil
}

// Survey implements driver.Surveyor: it looks whether there are both sides.
func (s *split) Survey(ctx context.Context) (state.State, error) {
	all, err := s.conn.backends(ctx)
	if err != nil {
		return nil, err
	}
	for _, side := range []string{s.p.newSide(), s.p.oldSide()} {
		if _, ok := all[side]; !ok {
			return nil, s.refused("it has no backend "+side, "name one that it has: "+strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
	}
	return state.State{}, nil
}

func (s *split) Plan(before state.State) (state.State, error) { return s.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (s *split) PlanAmong(before, _ state.State) (state.State, error) {
	is, err := s.of(before)
	if err != nil {
		return nil, err
	}
	if is.Running != is.File {
		return nil, s.refused(fmt.Sprintf("HAProxy splits at %s, and %s says %s: somebody changed one of them by hand", is.Running, s.p.Map, is.File), "reload HAProxy to take the file's, or write what HAProxy has into the file")
	}
	return s.PlanOver(before)
}

// PlanOver implements driver.Restorer: that memory and file differ is no
// obstacle.
func (s *split) PlanOver(state.State) (state.State, error) {
	return state.Of(s.resource.ID, shares{s.share.String(), s.share.String()}), nil
}

func (s *split) of(st state.State) (shares, error) {
	var is shares
	if ok, err := st.Decode(s.resource.ID, &is); err != nil || !ok {
		return is, errors.Join(fmt.Errorf("%s: the state does not say its share", s.resource.Name), err)
	}
	return is, nil
}

func (s *split) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	want, err := s.of(e.Want)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := s.write(ctx, e.Mine, want.File); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := s.set(ctx, e.Mine, want.Running); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return s.Observe(ctx)
}

// Resume implements driver.Resumable: the file may be written and the memory
// not set.
func (s *split) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return s.Apply(ctx, e)
}

// Undo sets what runs first, for that is what serves, and writes the file even
// where HAProxy does not answer: it reads it when it starts.
func (s *split) Undo(ctx context.Context, e driver.Effect) error {
	was, err := s.of(e.Before)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	running := s.set(ctx, e.Mine, was.Running)
	if errors.Is(running, driver.ErrNotMine) || ctx.Err() != nil {
		return fmt.Errorf("undo: %w", running)
	}
	if err := errors.Join(running, s.write(ctx, e.Mine, was.File)); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

// set sets the share in memory, if it is another.
func (s *split) set(ctx context.Context, mine func() error, text string) error {
	to, err := edge.ParseShare(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.resource.Name, err)
	}
	is, there, err := s.conn.share(ctx, s.p.Map, s.p.newSide())
	if err != nil || there && is == to {
		return err
	}
	if err := mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.conn.setShare(ctx, s.p.Map, s.p.newSide(), to)
}

// write writes the share into the file, if it is another.
func (s *split) write(ctx context.Context, mine func() error, text string) error {
	to, err := edge.ParseShare(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.resource.Name, err)
	}
	src, there, err := edge.ReadFile(s.p.Map)
	if err != nil {
		return err
	}
	if is, _, _, err := mapFile(src).find(s.p.Map, s.p.newSide()); err == nil && is == to {
		return nil
	}
	if !there {
		src = nil
	}
	return edge.Replace(ctx, mine, s.p.Map, src, mapFile(src).with(s.p.Map, s.p.newSide(), to))
}

func (s *split) refused(reason, remedy string) error {
	return &driver.Refusal{System: s.conn.String(), Reason: reason, Remedy: remedy}
}

// lines are what a frontend needs, on one line for an error.
func (s *split) lines() string {
	return strings.Join(strings.Split(Lines(s.p.Map, "req.hdr(X-Client-Id)", s.p.newSide(), s.p.oldSide()), "\n"), " | ")
}

// Lines are those of a frontend that splits by a map, by the key that a sample
// of HAProxy's gives: req.hdr(NAME), req.cook(NAME) or src. A request without
// it goes by its address.
func Lines(file, key, newSide, oldSide string) string {
	return fmt.Sprintf(`http-request set-var(txn.segue_key) %[2]s
http-request set-var(txn.segue_key) src unless { var(txn.segue_key) -m len ge 1 }
http-request set-var(txn.segue_share) str(%[3]s),map_str_int(%[1]s,0)
http-request set-var(txn.segue_bucket) var(txn.segue_key),xxh32(1),mod(%[5]d)
use_backend %[3]s if { var(txn.segue_bucket),sub(txn.segue_share) lt 0 }
default_backend %[4]s`, file, key, newSide, oldSide, edge.Whole)
}
