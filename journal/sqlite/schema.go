package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/segue-run/segue/journal"
)

// version is the schema this Segue writes, kept in the file's user_version.
// A change adds a step to upgrades and raises it by one.
const version = 2

// applicationID marks the file as ours: "SEGU".
const applicationID = 0x53454755

var (
	//go:embed schema.sql
	schema string
	//go:embed schema_2.sql
	schema2 string
)

// upgrades are the steps from each version to the next, from 1 on. A Segue that
// has the file open meanwhile goes on with what it knows.
func upgrades() []string { return []string{schema2} }

// errForeign: a sound SQLite file that is no journal.
var errForeign = errors.New("it is an SQLite file, but not a journal of Segue")

// writeSchema makes an empty database a journal.
func writeSchema(ctx context.Context, db *sql.DB) error {
	// Making the file WAL is for good: whoever opens it later finds it so.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	script := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; %s %s", applicationID, version, schema, strings.Join(upgrades(), " "))
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// upgrade brings a journal of an earlier version to this one. Of two that do
// it at once, the second finds it done.
func (s *Store) upgrade(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		has, err := schemaOf(ctx, tx)
		if err != nil || has >= version {
			return err
		}
		for _, step := range upgrades()[has-1:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
}

// schemaOf is the version of a journal.
func schemaOf(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (has int, err error) {
	err = q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&has)
	return has, err
}

// checkSchema refuses, changing nothing, what this Segue cannot understand.
func checkSchema(ctx context.Context, db *sql.DB) error {
	var id int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	has, err := schemaOf(ctx, db)
	if err != nil {
		return err
	}
	switch {
	case id != applicationID || has < 1:
		return errForeign
	case has > version:
		return fmt.Errorf("%w (its version is %d, this one understands %d)", journal.ErrNewer, has, version)
	}
	return nil
}
