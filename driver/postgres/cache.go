package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type cacheParams struct {
	Above  runbook.Percent `param:"above" doc:"The bound of the share of blocks that were found in shared buffers." default:"99%"`
	Blocks int             `param:"blocks" doc:"How many must have been asked for, to tell." default:"1000"`
}

// Validate implements what types cannot say.
func (p cacheParams) Validate() error {
	if p.Above < 0 || p.Above >= 100 || p.Blocks < 0 {
		return &runbook.FieldError{Field: "above", Problem: "that is no share that can be reached", Remedy: "write 99%"}
	}
	return nil
}

// cacheUse measures how many blocks come from shared buffers.
type cacheUse struct {
	db *DB
	p  cacheParams
}

func cacheCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.cache", On: kind,
		Doc: "The share of the database's blocks that were found in shared buffers is above a bound, since its statistics were reset.",
	}, func(_ context.Context, db *DB, p cacheParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if p.Above == 0 {
			p.Above = 99
		}
		if p.Blocks == 0 {
			p.Blocks = 1000
		}
		return &cacheUse{db, p}, nil
	})
}

const cacheQuery = `select blks_hit, blks_read, stats_reset from pg_stat_database where datname = current_database()`

// Read implements driver.Check.
func (c *cacheUse) Read(ctx context.Context) evidence.Reading {
	bound := fmt.Sprintf("above %g %%", float64(c.p.Above))
	var hit, read int64
	var reset *time.Time
	err := c.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, cacheQuery).Scan(&hit, &read, &reset)
	})
	var r evidence.Reading
	switch asked := hit + read; {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case asked < int64(c.p.Blocks):
		r = evidence.Unsure(fmt.Sprintf("only %d blocks were asked for so far, of %d that it takes to tell", asked, c.p.Blocks))
	default:
		share := 100 * float64(hit) / float64(asked)
		value := fmt.Sprintf("%.2f %% of %d blocks", share, asked)
		if reset != nil {
			value += " since " + reset.UTC().Format(time.RFC3339)
		}
		r = evidence.Passed(value, bound)
		if share <= float64(c.p.Above) {
			r = evidence.Failed(value, bound, fmt.Sprintf("%d blocks were not in shared buffers: raise shared_buffers, or see which statements read so many (postgres.slow-queries, postgres.indexes)", read))
		}
		r.Samples = asked
	}
	r.Bound, r.Source, r.Query = bound, c.db.String(), cacheQuery
	return r
}
