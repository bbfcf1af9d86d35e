package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type settingParams struct {
	Set     map[string]string `param:"set,required" doc:"The server's parameters by name, as in max_connections: 300 or shared_buffers: 2GB."`
	Restart []string          `param:"restart" doc:"The argv that restarts the server, for parameters that take hold at a start only. Without it such a step is refused."`
	Timeout time.Duration     `param:"timeout" doc:"How long a reload, or a restart until the server answers, may take." default:"1m"`
}

var parameterForm = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

// Validate implements what types cannot say.
func (p settingParams) Validate() error {
	if len(p.Set) == 0 {
		return &runbook.FieldError{Field: "set", Problem: "no parameter is given", Remedy: "write set: {max_connections: 300}"}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		if !parameterForm.MatchString(name) {
			return &runbook.FieldError{Field: "set", Problem: fmt.Sprintf("%q is no name of a parameter", name), Remedy: "write it in small letters, as in max_connections"}
		}
	}
	if len(p.Restart) > 0 && p.Restart[0] == "" {
		return &runbook.FieldError{Field: "restart", Problem: "the command is empty", Remedy: "write it as a list: [systemctl, restart, postgresql]"}
	}
	return nil
}

// serverSettings sets parameters of the server by ALTER SYSTEM and sees to it that
// they are in force. Of each it owns what postgresql.auto.conf says, and the
// value in force: where these differ, a reload or a restart is left to do.
type serverSettings struct {
	db    *DB
	p     settingParams
	names []string
	id    string
}

func settingAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "postgres.setting", On: kind, Resumable: true,
		Doc: "Sets parameters of the server (ALTER SYSTEM) and makes them take hold: by a reload or, where it takes one, by a restart. Undoing it sets, or resets, what was.",
	}, newSettings)
}

func newSettings(ctx context.Context, db *DB, p settingParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("postgres.setting: %w", err)
	}
	if p.Timeout <= 0 {
		p.Timeout = time.Minute
	}
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	// They are the server's, whichever of its databases we are in.
	return &serverSettings{db, p, slices.Sorted(maps.Keys(p.Set)), strings.TrimSuffix(id, "/"+db.name) + "/parameter/"}, nil
}

func (a *serverSettings) Resources() []driver.Resource {
	out := make([]driver.Resource, len(a.names))
	for i, name := range a.names {
		out[i] = driver.Resource{ID: a.id + name, Name: name + " of " + a.db.String()}
	}
	return out
}

// ownedSetting is what is owned of a parameter.
type ownedSetting struct {
	System *string `json:"system"` // by ALTER SYSTEM; null: nothing
	Value  *string `json:"value"`  // in force, in the parameter's unit; null: there is no such parameter
}

// foundParameters is what the server says of parameters.
type foundParameters struct {
	about  map[string]parameter
	system map[string]string // what ALTER SYSTEM has left
}

const (
	parameterQuery = `select name, setting, coalesce(unit, ''), vartype, context, source, pending_restart from pg_settings where name = any($1)`
	systemQuery    = `select name, setting from pg_file_settings where sourcefile like '%/postgresql.auto.conf' and name = any($1) order by seqno`
)

func (a *serverSettings) look(ctx context.Context) (foundParameters, error) {
	f := foundParameters{map[string]parameter{}, map[string]string{}}
	err := a.fresh(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, parameterQuery, a.names)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[parameter])
		if err != nil {
			return err
		}
		for _, p := range all {
			f.about[p.Name] = p
		}
		if rows, err = conn.Query(ctx, systemQuery, a.names); err != nil {
			return err
		}
		var name, value string
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
			f.system[name] = value
			return nil
		})
		return err
	})
	if err != nil {
		return f, fmt.Errorf("parameters: %w", err)
	}
	return f, nil
}

// fresh opens a session: an older one may not have read the server's files
// again yet, or may have ended with a restart.
func (a *serverSettings) fresh(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.db.timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, a.db.pool.Config().ConnConfig)
	if err != nil {
		return a.db.wrap(err)
	}
	defer conn.Close(ctx)
	return a.db.wrap(f(ctx, conn))
}

func (a *serverSettings) Observe(ctx context.Context) (state.State, error) {
	f, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	out := state.State{}
	for _, name := range a.names {
		var s ownedSetting
		if v, ok := f.system[name]; ok {
			s.System = &v
		}
		if p, ok := f.about[name]; ok {
			s.Value = &p.Value
		}
		maps.Copy(out, state.Of(a.id+name, s))
	}
	return out, nil
}

// Survey implements driver.Surveyor: how is each parameter told, and can it be
// set so?
func (a *serverSettings) Survey(ctx context.Context) (state.State, error) {
	f, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	out := state.State{}
	for _, name := range a.names {
		p, ok := f.about[name]
		switch {
		case !ok:
			return nil, a.refused("it has no parameter "+name, "see pg_settings for those that it has")
		case p.Context == "internal":
			return nil, a.refused(name+" cannot be set at all", "leave it out")
		case p.Source != "default" && p.Source != "configuration file":
			return nil, a.refused(fmt.Sprintf("what %s is here comes from its %s, which goes before ALTER SYSTEM", name, p.Source), "change it there")
		case p.Context == "postmaster" && len(a.p.Restart) == 0 && !a.inForce(p):
			return nil, a.refused(name+" takes hold at a start only", "say with restart which command restarts the server, as in restart: [systemctl, restart, postgresql]")
		case p.Type == "string" && strings.Contains(a.p.Set[name], ","):
			return nil, a.refused(name+" is to be a list, which ALTER SYSTEM would take for one word", "set it by postgres.change, or by hand")
		}
		maps.Copy(out, state.Of(a.id+name+"/about", p))
	}
	return out, nil
}

func (a *serverSettings) inForce(p parameter) bool {
	v, err := p.normal(a.p.Set[p.Name])
	return err == nil && v == p.Value
}

func (a *serverSettings) refused(reason, remedy string) error {
	return &driver.Refusal{System: a.db.String(), Reason: reason, Remedy: remedy}
}

func (a *serverSettings) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, nil)
}

// PlanAmong implements driver.Surveyor.
func (a *serverSettings) PlanAmong(_, others state.State) (state.State, error) {
	out := state.State{}
	for _, name := range a.names {
		var p parameter
		if ok, err := others.Decode(a.id+name+"/about", &p); err != nil || !ok {
			return nil, errors.Join(fmt.Errorf("%s: nothing is known of %s", a.db, name), err)
		}
		value, err := p.normal(a.p.Set[name])
		if err != nil {
			return nil, a.refused(err.Error(), "write it as SHOW "+name+" does")
		}
		maps.Copy(out, state.Of(a.id+name, ownedSetting{new(a.p.Set[name]), &value}))
	}
	return out, nil
}

// Costs implements driver.Costly.
func (a *serverSettings) Costs(before, want state.State) string {
	if len(a.p.Restart) == 0 {
		return ""
	}
	was, err1 := a.target(before)
	to, err2 := a.target(want)
	for _, name := range a.names {
		if err1 == nil && err2 == nil && text(was[name].Value) != text(to[name].Value) {
			return "a restart of PostgreSQL, if a parameter takes one: every connection is cut, and the parameters that others have set meanwhile take hold too"
		}
	}
	return ""
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// target is what a state says of each parameter.
func (a *serverSettings) target(s state.State) (map[string]ownedSetting, error) {
	out := map[string]ownedSetting{}
	for _, name := range a.names {
		var o ownedSetting
		if ok, err := s.Decode(a.id+name, &o); err != nil || !ok {
			return nil, errors.Join(fmt.Errorf("the state says nothing of %s", name), err)
		}
		out[name] = o
	}
	return out, nil
}
