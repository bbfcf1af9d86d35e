package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type poolParams struct {
	Below runbook.Percent `param:"below" doc:"The bound of connections in use, of max_connections." default:"80%"`
}

// poolUse measures how many of the server's connections are in use.
type poolUse struct {
	db    *DB
	below runbook.Percent
}

func poolCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.pool", On: kind,
		Doc: "The share of max_connections in use is below a bound. Fails when the server has none left.",
	}, func(_ context.Context, db *DB, p poolParams) (driver.Check, error) {
		if p.Below == 0 {
			p.Below = 80
		}
		return &poolUse{db, p.Below}, nil
	})
}

// poolQuery does not ask pg_stat_activity: to a role without rights of its own
// that shows the others' sessions as NULL.
const poolQuery = `select sum(numbackends)::int, current_setting('max_connections')::int from pg_stat_database`

// tooManyConnections is the server's answer to who finds no free connection.
const tooManyConnections = "53300"

func (p *poolUse) Read(ctx context.Context) evidence.Reading {
	bound := fmt.Sprintf("below %g %%", float64(p.below))
	var used, limit int
	err := p.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, poolQuery).Scan(&used, &limit)
	})
	r := evidence.Unsure("")
	if err != nil {
		r.Detail = err.Error()
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == tooManyConnections {
			r = evidence.Failed("100 %", bound, "no connection is left: "+err.Error())
		}
	} else {
		share := 100 * float64(used) / float64(limit)
		value := fmt.Sprintf("%.0f %% (%d of %d)", share, used, limit)
		r = evidence.Passed(value, bound)
		if share >= float64(p.below) {
			r = evidence.Failed(value, bound, fmt.Sprintf("%d of %d connections are in use", used, limit))
		}
	}
	r.Bound, r.Source, r.Query = bound, p.db.String(), poolQuery
	return r
}
