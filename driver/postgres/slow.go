package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type slowParams struct {
	Below time.Duration `param:"below" doc:"The bound of each statement's mean time." default:"100ms"`
	Calls int           `param:"calls" doc:"How often a statement must have run to count." default:"10"`
	Show  int           `param:"show" doc:"How many of the slowest are shown." default:"10"`
}

// Validate implements what types cannot say.
func (p slowParams) Validate() error {
	if p.Below < 0 || p.Calls < 0 || p.Show < 0 {
		return &runbook.FieldError{Field: "below", Problem: "a bound is negative", Remedy: "write 100ms"}
	}
	return nil
}

// slow measures the statements that take longest, by pg_stat_statements.
type slow struct {
	db *DB
	p  slowParams
}

func slowCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.slow-queries", On: kind,
		Doc: "Each statement that ran often enough takes less than a bound on average, by pg_stat_statements since its statistics were reset. Unknown without that extension.",
	}, func(_ context.Context, db *DB, p slowParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if p.Below == 0 {
			p.Below = 100 * time.Millisecond
		}
		if p.Calls == 0 {
			p.Calls = 10
		}
		if p.Show == 0 {
			p.Show = 10
		}
		return &slow{db, p}, nil
	})
}

// A statement is one of pg_stat_statements. Times are in milliseconds.
type statement struct {
	Query string  `json:"query"`
	Calls int64   `json:"calls"`
	Mean  float64 `json:"mean_ms"`
	Total float64 `json:"total_ms"`
	Rows  int64   `json:"rows"`
}

// slowQuery leaves out what is no work on data: an ALTER ROLE may have a password
// in its text.
const slowQuery = `select regexp_replace(left(s.query, 300), '\s+', ' ', 'g'), s.calls, s.mean_exec_time, s.total_exec_time, s.rows
	from pg_stat_statements s join pg_database d on d.oid = s.dbid
	where d.datname = current_database() and s.calls >= $1 and s.query ~* '^\s*(select|insert|update|delete|merge|with)\y'
	and s.query not like '%pg_stat_%' order by s.mean_exec_time desc limit $2`

// Read implements driver.Check.
func (s *slow) Read(ctx context.Context) evidence.Reading {
	bound := "below " + s.p.Below.String()
	var found []statement
	err := s.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, slowQuery, s.p.Calls, s.p.Show)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[statement])
		return err
	})
	r := s.judge(found, bound)
	if err != nil {
		r = evidence.Unsure(err.Error())
		if code := sqlState(err); code == "42P01" || code == "55000" {
			r.Detail += "; it needs pg_stat_statements in shared_preload_libraries, and CREATE EXTENSION in this database"
		}
	}
	r.Bound, r.Source, r.Query = bound, s.db.String(), slowQuery
	return r
}

func (s *slow) judge(found []statement, bound string) evidence.Reading {
	if len(found) == 0 {
		return evidence.Unsure(fmt.Sprintf("no statement has run %d times", s.p.Calls))
	}
	var wrong []string
	var calls int64
	for _, one := range found {
		calls += one.Calls
		if one.Mean >= float64(s.p.Below)/float64(time.Millisecond) {
			wrong = append(wrong, fmt.Sprintf("%.1f ms on average of %d: %s", one.Mean, one.Calls, one.Query))
		}
	}
	value := fmt.Sprintf("%.1f ms, the slowest", found[0].Mean)
	r := evidence.Passed(value, bound)
	if len(wrong) > 0 {
		r = evidence.Failed(value, bound, strings.Join(wrong, "; "))
	}
	r.Samples = calls
	if raw, err := json.Marshal(found); err == nil {
		r.Raw = raw
	}
	return r
}
