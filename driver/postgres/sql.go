package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
)

type sqlParams struct {
	Query   string        `param:"query,required" doc:"One query; it runs in a read-only transaction."`
	Args    []any         `param:"args" doc:"The values of $1, $2, …"`
	Expect  string        `param:"expect,required,expression" vars:"rows|row|value" doc:"What must be true of rows (a list of maps), row (the first) or value (its first column). What is not there is unknown."`
	Timeout time.Duration `param:"timeout" doc:"How long the answer may take; the connection's bound otherwise."`
}

// sql measures what a query gives.
type sql struct {
	db     *DB
	p      sqlParams
	expect *expr.Expr
}

var sqlVars = []string{"rows", "row", "value"}

func sqlCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "sql", On: kind,
		Doc: "What a query gives is as expected. Unknown when the database does not answer, or without the row or value that is looked at.",
	}, func(_ context.Context, db *DB, p sqlParams) (driver.Check, error) { return newSQL(db, p) })
}

func newSQL(db *DB, p sqlParams) (*sql, error) {
	e, err := expr.Compile(p.Expect, sqlVars)
	if err != nil {
		return nil, fmt.Errorf("sql: expect: %w", err)
	}
	return &sql{db, p, e}, nil
}

func (s *sql) Read(ctx context.Context) evidence.Reading {
	if s.p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.p.Timeout)
		defer cancel()
	}
	var names []string
	var rows []map[string]any
	err := s.db.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		names, rows, err = rowsOf(ctx, tx, s.p.Query, s.p.Args)
		return err
	})
	var r evidence.Reading
	if err != nil {
		r = evidence.Unsure(err.Error())
	} else {
		r = s.judge(names, rows)
	}
	r.Bound, r.Source, r.Query = s.p.Expect, s.db.String(), s.p.Query
	return r
}

func (s *sql) judge(names []string, rows []map[string]any) evidence.Reading {
	vars := map[string]any{"rows": rows}
	value := fmt.Sprintf("%d rows", len(rows))
	if len(rows) > 0 {
		vars["row"] = rows[0]
		if len(names) > 0 {
			vars["value"] = rows[0][names[0]]
		}
		if len(rows) == 1 && len(names) == 1 {
			value = fmt.Sprint(vars["value"])
		}
	}
	verdict, err := s.expect.Eval(vars)
	r := evidence.Reading{Verdict: verdict, Value: value, Samples: int64(len(rows))}
	switch {
	case err != nil:
		r.Verdict, r.Detail = evidence.Unknown, err.Error()
	case verdict == evidence.Fail:
		r.Detail = value + " does not meet " + s.p.Expect
	}
	return r
}
