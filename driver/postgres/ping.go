package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

type pingParams struct {
	Below time.Duration `param:"below" doc:"The bound of one round trip on an open connection." default:"50ms"`
}

// ping is a health check: a database that does not answer fails it.
type ping struct {
	db    *DB
	below time.Duration
}

func pingCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.ping", On: kind,
		Doc: "The database answers, within a bound. Fails when it cannot be reached.",
	}, func(_ context.Context, db *DB, p pingParams) (driver.Check, error) {
		if p.Below == 0 {
			p.Below = 50 * time.Millisecond
		}
		return &ping{db, p.Below}, nil
	})
}

func (p *ping) Read(ctx context.Context) evidence.Reading {
	bound := "below " + p.below.String()
	var took time.Duration
	err := p.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		began := time.Now()
		_, err := tx.Exec(ctx, "select 1")
		took = time.Since(began)
		return err
	})
	r := evidence.Passed(took.Round(10*time.Microsecond).String(), bound)
	switch {
	case err != nil:
		r = evidence.Failed("unreachable", bound, err.Error())
	case took >= p.below:
		r = evidence.Failed(r.Value, bound, fmt.Sprintf("a round trip took %s", r.Value))
	}
	r.Source, r.Query, r.Samples = p.db.String(), "select 1", 1
	return r
}
