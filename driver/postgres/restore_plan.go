package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// surveyed is what a restore needs to know beyond the database it makes: of
// the backups, under their identity.
type surveyed struct {
	tools
	Name   string           `json:"newest,omitempty"`
	SHA256 string           `json:"sha256,omitempty"`
	Rows   map[string]int64 `json:"rows,omitempty"`
	Wrong  string           `json:"wrong,omitempty"` // why there is none
	Makes  bool             `json:"may-create"`
	Owns   bool             `json:"owns"` // into, if it exists
}

func (r *restore) backups() string { return backupsID(r.dir, r.db.name) }

// Survey looks for the backup, and for what could prevent its restore.
func (r *restore) Survey(ctx context.Context) (state.State, error) {
	s := surveyed{Makes: r.place.Makes}
	n, err := r.db.neighbour(ctx, r.p.Into)
	if err != nil {
		return nil, err
	}
	s.Owns = n.ours
	major := r.place.Major
	name, m, err := r.find(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("look for a backup in %s: %w", r.dir, context.Cause(ctx))
	case err != nil:
		s.Wrong = err.Error()
	default:
		s.Name, s.SHA256, s.Rows = name, m.SHA256, m.Rows
		major = max(major, m.major())
	}
	if s.tools, err = r.db.tools(ctx, major); err != nil {
		return nil, err
	}
	return state.Of(r.backups(), s), nil
}

// find is the backup that the parameters mean.
func (r *restore) find(ctx context.Context) (string, *manifest, error) {
	if r.p.Backup != "" {
		m, err := whole(ctx, r.dir, r.p.Backup, &r.db.sums)
		return r.p.Backup, m, err
	}
	dir, err := r.from.Good(ctx)
	if err != nil {
		return "", nil, err
	}
	names, err := dumps(dir, r.db.name)
	if err != nil {
		return "", nil, err
	}
	var wrong []string
	for _, name := range names {
		m, err := whole(ctx, dir, name, &r.db.sums)
		if ctx.Err() != nil {
			return "", nil, err
		}
		if err == nil && m.Identity != r.place.ID {
			err = fmt.Errorf("%s is of the database of another server (%s, and this is %s)", name, m.Identity, r.place.ID)
		}
		if err == nil {
			return name, m, nil
		}
		wrong = append(wrong, err.Error())
	}
	if len(wrong) == 0 {
		return "", nil, fmt.Errorf("there is no backup of database %s in %s", r.db.name, r.dir)
	}
	return "", nil, fmt.Errorf("there is no whole backup of database %s in %s: %s", r.db.name, r.dir, strings.Join(wrong, "; "))
}

// Plan cannot be without knowing the backups.
func (r *restore) Plan(before state.State) (state.State, error) {
	return r.PlanAmong(before, state.Of(r.backups(), surveyed{Wrong: "nobody looked for backups"}))
}

// PlanAmong refuses what could not be restored, or not there.
func (r *restore) PlanAmong(before, others state.State) (state.State, error) {
	was, err := r.decode(before)
	if err != nil {
		return nil, err
	}
	var s surveyed
	if _, err := others.Decode(r.backups(), &s); err != nil {
		return nil, err
	}
	if err := r.refuseInto(was, s); err != nil {
		return nil, err
	}
	if was.Database == isRestored {
		return before, nil
	}
	if err := s.refusal(r.db); err != nil {
		return nil, err
	}
	want := restored{Database: isRestored, Backup: s.Name, SHA256: s.SHA256, Rows: s.Rows}
	// An earlier step will have taken one, and which one nobody knows yet.
	if string(others[r.backups()]["backup"]) == "true" && r.p.Backup == "" {
		want = restored{Database: isRestored}
	} else if s.Wrong != "" {
		return nil, r.refuse(s.Wrong, "a step with postgres.backup before this one, or the name of another backup in backup")
	}
	return state.Of(r.id, want), nil
}

// refuseInto refuses the database that was named.
func (r *restore) refuseInto(was restored, s surveyed) error {
	into := r.p.Into
	switch {
	case into == r.place.Database:
		return r.refuse("into is the very database that was backed up", "into: "+into+"_restored, and a look at what is in it")
	case was.Database == occupied:
		return r.refuse("database "+into+" exists and is not empty", "another name in into, or the removal of that database by somebody who knows what it is")
	case was.Database == isRestored && s.Name != "" && was.Backup != s.Name:
		return r.refuse(fmt.Sprintf("database %s holds backup %s, and %s is to be restored", into, was.Backup, s.Name), "another name in into, or backup: "+was.Backup)
	case was.Database == absent && !s.Makes:
		return r.refuse(fmt.Sprintf("role %s may not create databases (42501)", r.place.Role),
			fmt.Sprintf("a role with CREATEDB, or an empty database %s that %s owns", into, r.place.Role))
	case was.Database == isEmpty && !s.Owns:
		return r.refuse(fmt.Sprintf("the empty database %s is not owned by role %s (42501)", into, r.place.Role),
			"its owner as the role, or a name in into that does not exist yet")
	}
	return nil
}

func (r *restore) refuse(reason, remedy string) error {
	return &driver.Refusal{System: r.db.String(), Reason: reason, Remedy: remedy}
}

// kept is what a rollback leaves of a database, and why.
func (r *restore) kept(name, cost string) *driver.Kept {
	return &driver.Kept{
		What:   "database " + name,
		Cost:   cost,
		Hint:   "once nobody needs it: DROP DATABASE " + pgx.Identifier{name}.Sanitize(),
		Fields: map[string][]string{r.id: {"*"}},
	}
}

// errChanged: a database is not what was restored any more.
var errChanged = errors.New("it is not what was restored any more")
