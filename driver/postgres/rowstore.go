package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// DB is a store of rows to actions of other systems.
var _ driver.RowStore = (*DB)(nil)

// Rows implements driver.RowStore, in a read-only transaction.
func (db *DB) Rows(ctx context.Context, query string, args []any) (columns []string, rows []map[string]any, err error) {
	err = db.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		columns, rows, err = rowsOf(ctx, tx, query, args[:min(len(args), places(query))])
		return err
	})
	return columns, rows, err
}

// Execute implements driver.RowStore.
func (db *DB) Execute(ctx context.Context, mine func() error, statements []string, args []any) (affected int64, err error) {
	err = db.write(ctx, db.timeout, func(ctx context.Context, tx pgx.Tx) error {
		if err := mine(); err != nil { // its locks already hold others up
			return err
		}
		for _, s := range statements {
			tag, err := tx.Exec(ctx, s, args[:min(len(args), places(s))]...)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			affected += tag.RowsAffected()
		}
		return mine() // the commit follows
	})
	return affected, err
}

var placeholder = regexp.MustCompile(`\$([0-9]+)`)

// places is how many arguments a statement has places for: its highest $n.
func places(statement string) int {
	most := 0
	for _, m := range placeholder.FindAllStringSubmatch(statement, -1) {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			most = max(most, n)
		}
	}
	return most
}
