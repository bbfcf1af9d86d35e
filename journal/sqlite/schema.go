package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"

	"github.com/segue-run/segue/journal"
)

// version is the schema this Segue writes, kept in the file's user_version.
// A change adds a step to upgrade and raises it by one.
const version = 1

// applicationID marks the file as ours: "SEGU".
const applicationID = 0x53454755

//go:embed schema.sql
var schema string

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
	script := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; %s", applicationID, version, schema)
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// checkSchema refuses, changing nothing, what this Segue cannot understand.
func checkSchema(ctx context.Context, db *sql.DB) error {
	var id, has int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&has); err != nil {
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
