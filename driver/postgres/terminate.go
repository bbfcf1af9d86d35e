package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type terminateParams struct {
	whose
	For time.Duration `param:"for,required" doc:"For how long a session must have been in its state."`
}

// Validate implements what types cannot say.
func (p terminateParams) Validate() error {
	if p.For < time.Second {
		return &runbook.FieldError{Field: "for", Problem: "a session that was used a moment ago is not left behind", Remedy: "write at least 1s, such as 10m"}
	}
	for _, s := range p.States {
		if s == "active" || s == "fastpath function call" || s == "disabled" {
			return &runbook.FieldError{Field: "states", Problem: "a session that is " + s + " is not idle", Remedy: "write idle, idle in transaction or idle in transaction (aborted)"}
		}
	}
	return nil
}

// terminate ends sessions that do nothing. It owns their number, and shows it
// only while there are some: a session that becomes idle later is nobody's
// drift. It spares Segue's own, by their application_name; those that
// replicate and the server's own processes are no clients' sessions.
type terminate struct {
	db       *DB
	p        terminateParams
	resource driver.Resource
}

func terminateAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "postgres.terminate-idle", On: kind, Resumable: true,
		Doc: "Ends the connections of clients that have been idle for a time, and counts them. It spares Segue's own, replication and the server's processes. There is nothing to undo: clients connect again.",
	}, newTerminate)
}

func newTerminate(ctx context.Context, db *DB, p terminateParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("postgres.terminate-idle: %w", err)
	}
	return terminateOf(ctx, db, p)
}

func terminateOf(ctx context.Context, db *DB, p terminateParams) (*terminate, error) {
	if len(p.States) == 0 {
		p.States = []string{"idle"}
	}
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	return &terminate{db, p, driver.Resource{ID: id + "/sessions", Name: "idle sessions of " + db.String()}}, nil
}

func (a *terminate) Resources() []driver.Resource { return []driver.Resource{a.resource} }

// idleSessions is the owned field.
type idleSessions struct {
	Idle int `json:"idle,omitempty"`
}

const idleOnes = clientSessions + ` and pid <> pg_backend_pid() and application_name is distinct from current_setting('application_name')`

// terminateQuery looks first and ends then: in one WHERE the server might do it
// the other way round.
const terminateQuery = `with idle as materialized (select pid from pg_stat_activity where ` + idleOnes + `)
	select pid from idle where pg_terminate_backend(pid)`

func (a *terminate) Observe(ctx context.Context) (state.State, error) {
	var n int
	err := a.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select count(*)::int from pg_stat_activity where `+idleOnes, a.p.args(a.p.For)...).Scan(&n)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.resource.Name, err)
	}
	return state.Of(a.resource.ID, idleSessions{n}), nil
}

func (a *terminate) Plan(state.State) (state.State, error) {
	return state.Of(a.resource.ID, idleSessions{}), nil
}

// Costs implements driver.Costly.
func (a *terminate) Costs(before, _ state.State) string {
	var s idleSessions
	if ok, err := before.Decode(a.resource.ID, &s); err != nil || !ok || s.Idle == 0 {
		return ""
	}
	return fmt.Sprintf("the %d connections are cut; a client that does not look before it sends sees an error once", s.Idle)
}

// terminated is the cursor.
type terminated struct {
	Sessions int  `json:"sessions"`
	Going    bool `json:"going,omitempty"` // perhaps more than these
}

// Apply ends each in the statement that finds it idle, so that as little time
// as can be lies between, and waits until they are gone.
func (a *terminate) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	done, err := terminatedBefore(e.Cursor)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	more := done.Going // of which a predecessor could not tell any more
	done.Going = true
	if err := e.Save(ctx, done); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := e.Mine(); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	var pids []int32
	err = a.db.write(ctx, a.db.timeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, terminateQuery, a.p.args(a.p.For)...)
		if err != nil {
			return err
		}
		pids, err = pgx.CollectRows(rows, pgx.RowTo[int32])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	done.Sessions, done.Going = done.Sessions+len(pids), more
	if err := e.Save(ctx, done); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := a.gone(ctx, pids); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	// Clients connect again, and are idle again: that is nobody's drift.
	return a.Plan(nil)
}

// Resume implements driver.Resumable.
func (a *terminate) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

func terminatedBefore(cursor json.RawMessage) (terminated, error) {
	var t terminated
	if cursor == nil {
		return t, nil
	}
	if err := json.Unmarshal(cursor, &t); err != nil {
		return t, fmt.Errorf("cursor of postgres.terminate-idle: %w", err)
	}
	return t, nil
}

// gone waits until the sessions have ended.
func (a *terminate) gone(ctx context.Context, pids []int32) error {
	ctx, cancel := context.WithTimeout(ctx, a.db.timeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var left int
		err := a.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, `select count(*)::int from pg_stat_activity where pid = any($1)`, pids).Scan(&left)
		})
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d of %d sessions do not end", left, len(pids)), ctx.Err())
		}
	}
}

// Undo has nothing to bring back: it reports what was cut.
func (a *terminate) Undo(_ context.Context, e driver.Effect) error {
	t, err := terminatedBefore(e.Cursor)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if t.Sessions == 0 && !t.Going {
		return nil
	}
	if err := e.Mine(); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	count := fmt.Sprint(t.Sessions)
	if t.Going {
		count += " or more"
	}
	return &driver.Kept{
		What:   fmt.Sprintf("%s idle sessions of %s, ended", count, a.db),
		Cost:   "their clients have connected again, or will",
		Fields: map[string][]string{a.resource.ID: {"*"}},
	}
}
