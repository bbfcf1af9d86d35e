package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// whose are sessions of clients, by what pg_stat_activity says of them.
type whose struct {
	States   []string `param:"states" enum:"active|idle|idle in transaction|idle in transaction (aborted)|fastpath function call|disabled" doc:"The states that are meant."`
	User     string   `param:"user" doc:"Only sessions of this role."`
	Database string   `param:"database" doc:"Only sessions in this database."`
	App      string   `param:"application" doc:"Only sessions that call themselves so (application_name)."`
}

// clientSessions is the part of a query that both the check and the action share. It
// takes $1 to $5: states, role, database, application and, in seconds, for how
// long.
const clientSessions = `backend_type = 'client backend'
	and (cardinality($1::text[]) = 0 or state = any($1)) and ($2 = '' or usename = $2) and ($3 = '' or datname = $3) and ($4 = '' or application_name = $4)
	and ($5 = 0 or state_change <= clock_timestamp() - make_interval(secs => $5))`

func (w whose) args(since time.Duration) []any {
	states := w.States
	if states == nil {
		states = []string{}
	}
	return []any{states, w.User, w.Database, w.App, since.Seconds()}
}

type sessionsParams struct {
	whose
	For   time.Duration    `param:"for" doc:"Only sessions that have been in their state for so long."`
	Below *runbook.Percent `param:"below" doc:"The share of max_connections that they take must be below this."`
	Fewer *int             `param:"fewer-than" doc:"There must be fewer than this."`
}

// Validate implements what types cannot say.
func (p sessionsParams) Validate() error {
	switch {
	case p.Below == nil && p.Fewer == nil:
		return &runbook.FieldError{Field: "below", Problem: "nothing is asked", Remedy: "give below: 80% or fewer-than: 50"}
	case p.Below != nil && !(*p.Below > 0 && *p.Below <= 100):
		return &runbook.FieldError{Field: "below", Problem: "that is no share of max_connections", Remedy: "write one above 0% and up to 100%"}
	case p.Fewer != nil && *p.Fewer < 1:
		return &runbook.FieldError{Field: "fewer-than", Problem: "there cannot be fewer", Remedy: "write at least 1"}
	case p.For < 0:
		return &runbook.FieldError{Field: "for", Problem: "a time is not negative", Remedy: "write 10m"}
	}
	return nil
}

// sessions measures connections by state.
type sessions struct {
	db *DB
	p  sessionsParams
}

func sessionsCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.sessions", On: kind,
		Doc: "The connections of clients, by state, are few enough. Fails when the server has none left; unknown when it does not answer, or does not show this role the states of others' sessions.",
	}, func(_ context.Context, db *DB, p sessionsParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("postgres.sessions: %w", err)
		}
		return &sessions{db, p}, nil
	})
}

const sessionsQuery = `select coalesce(state, ''), count(*)::int from pg_stat_activity where ` + clientSessions + ` group by 1`

// hiddenQuery counts the sessions of which this role sees nothing.
const hiddenQuery = `select count(*)::int, current_setting('max_connections')::int from pg_stat_activity where usesysid is not null and query = '<insufficient privilege>' and ($1 = '' or usename = $1)`

// Read implements driver.Check.
func (s *sessions) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	byState, limit, err := s.look(ctx)
	switch refused, ok := errors.AsType[*pgconn.PgError](err); {
	case ok && refused.Code == tooManyConnections:
		r = evidence.Failed("100 %", "", "no connection is left: "+err.Error())
	case err != nil:
		r = evidence.Unsure(err.Error())
	default:
		r = s.judge(byState, limit)
	}
	r.Bound, r.Source, r.Query = s.bound(), s.db.String(), "pg_stat_activity"
	return r
}

func (s *sessions) look(ctx context.Context) (byState map[string]int, limit int, err error) {
	byState = map[string]int{}
	err = s.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var hidden int
		if err := tx.QueryRow(ctx, hiddenQuery, s.p.User).Scan(&hidden, &limit); err != nil {
			return err
		}
		if hidden > 0 {
			return fmt.Errorf("%w: %d sessions do not show their state to this role: grant it pg_read_all_stats", errAnswer, hidden)
		}
		rows, err := tx.Query(ctx, sessionsQuery, s.p.args(s.p.For)...)
		if err != nil {
			return err
		}
		var state string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
			byState[state] = n
			return nil
		})
		return err
	})
	return byState, limit, err
}

func (s *sessions) judge(byState map[string]int, limit int) evidence.Reading {
	all := 0
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(byState)) {
		all += byState[state]
		parts = append(parts, fmt.Sprintf("%d %s", byState[state], state))
	}
	share := 100 * float64(all) / float64(limit)
	value := fmt.Sprintf("%d of %d (%.0f %%)", all, limit, share)
	if len(parts) > 0 {
		value += ": " + strings.Join(parts, ", ")
	}
	r := evidence.Passed(value, "")
	switch {
	case s.p.Fewer != nil && all >= *s.p.Fewer:
		r = evidence.Failed(value, "", fmt.Sprintf("%d are not fewer than %d", all, *s.p.Fewer))
	case s.p.Below != nil && share >= float64(*s.p.Below):
		r = evidence.Failed(value, "", fmt.Sprintf("%.0f %% of max_connections are not below %g %%", share, float64(*s.p.Below)))
	}
	r.Samples = int64(all)
	return r
}

func (s *sessions) bound() string {
	var parts []string
	if s.p.Below != nil {
		parts = append(parts, fmt.Sprintf("below %g %%", float64(*s.p.Below)))
	}
	if s.p.Fewer != nil {
		parts = append(parts, fmt.Sprintf("fewer than %d", *s.p.Fewer))
	}
	return strings.Join(parts, ", ")
}
