package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// logEnd is, as SQL, where the server's log ends.
const logEnd = "(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text"

// logEnd is where the server's log ends.
func (s *rowSource) logEnd(ctx context.Context) (uint64, error) {
	var text string
	err := s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select "+logEnd).Scan(&text)
	})
	if err != nil {
		return 0, err
	}
	return parseLSN(text)
}

// writtenLate is how long after a commit at the latest it stands in the log.
// Sessions with synchronous_commit=off do not wait for that, which takes up to
// three times wal_writer_delay (PostgreSQL 15, 30.4, Asynchronous Commit).
func (s *rowSource) writtenLate(ctx context.Context) (time.Duration, error) {
	var ms int64
	err := s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select 3 * setting::bigint from pg_settings where name = 'wal_writer_delay'").Scan(&ms)
	})
	return time.Duration(ms) * time.Millisecond, err
}

func position(lsn string) driver.Position {
	raw, err := json.Marshal(lsn)
	if err != nil {
		panic("postgres: a position is not JSON: " + err.Error())
	}
	return raw
}

func lsnOf(p driver.Position) (uint64, error) {
	var text string
	if err := json.Unmarshal(p, &text); err != nil {
		return 0, fmt.Errorf("%w: %s is no position of a log", errAnswer, p)
	}
	return parseLSN(text)
}

func parseLSN(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	high, low, ok := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !ok || err != nil || err2 != nil {
		return 0, fmt.Errorf("%w: %s is no position of a log", errAnswer, text)
	}
	return h<<32 | l, nil
}

func lsnText(n uint64) string { return fmt.Sprintf("%X/%X", n>>32, n&0xffffffff) }
