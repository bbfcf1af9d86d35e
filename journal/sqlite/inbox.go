package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/journal"
)

// Send implements journal.Store.
func (s *Store) Send(ctx context.Context, run, key string, at time.Time, data json.RawMessage) (int64, error) {
	var id int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		row, err := runOf(ctx, tx, run)
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, "SELECT id FROM inbox WHERE run = ? AND key = ?", run, key).Scan(&id)
		switch {
		case !errors.Is(err, sql.ErrNoRows):
			return err
		case row.final:
			return journal.ErrFinal
		}
		return tx.QueryRowContext(ctx, `INSERT INTO inbox (run, id, key, at, data)
			VALUES (?1, (SELECT coalesce(max(id), 0) + 1 FROM inbox WHERE run = ?1), ?2, ?3, ?4) RETURNING id`,
			run, key, nanos(at), blob(data)).Scan(&id)
	})
	if err != nil {
		return 0, fmt.Errorf("send %s to run %s: %w", key, run, err)
	}
	return id, nil
}

// Inbox implements journal.Reader.
func (r *Reader) Inbox(ctx context.Context, run string, after int64) ([]journal.Message, error) {
	var messages []journal.Message
	err := r.read(ctx, func(tx *sql.Tx) error {
		if _, err := runOf(ctx, tx, run); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT id, key, at, data FROM inbox WHERE run = ? AND id > ? ORDER BY id", run, after)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m journal.Message
			var at int64
			if err := rows.Scan(&m.ID, &m.Key, &at, (*[]byte)(&m.Data)); err != nil {
				return err
			}
			m.At = timeOf(at)
			messages = append(messages, m)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the inbox of run %s: %w", run, err)
	}
	return messages, nil
}
