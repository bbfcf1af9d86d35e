package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ownTables names, quoted, the tables that hold a database's own rows, without
// those of extensions, whose rows come with the extension.
const ownTables = `select format('%I.%I', n.nspname, c.relname)
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
	and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
	order by 1`

func tableNames(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, ownTables)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return names, nil
}

// lockTables keeps tables from being truncated, altered or dropped, and nobody
// from writing to them.
func lockTables(ctx context.Context, tx pgx.Tx, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "lock table only "+strings.Join(names, ", only ")+" in access share mode"); err != nil {
		return fmt.Errorf("wait for tables that somebody has locked: %w", err)
	}
	return nil
}

// countRows counts the rows of each table.
func countRows(ctx context.Context, tx pgx.Tx, names []string) (map[string]int64, error) {
	out := make(map[string]int64, len(names))
	for _, name := range names {
		var n int64
		if err := tx.QueryRow(ctx, "select count(*) from only "+name).Scan(&n); err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", name, err)
		}
		out[name] = n
	}
	return out, nil
}

// plainText has rows read as the same text whoever reads them, and all of them.
const plainText = `set local timezone = 'UTC'; set local datestyle = 'ISO'; set local intervalstyle = 'postgres';
	set local bytea_output = 'hex'; set local extra_float_digits = 1; set local lc_monetary = 'C';
	set local row_security = off; set local search_path = pg_catalog`

// What besides rows tells whether anybody worked in a database since.
const (
	sequences = `select format('%I.%I', schemaname, sequencename), coalesce(last_value::text, '') from pg_sequences order by 1`
	// shapes: an object, a column, a constraint, a trigger or a function's text more or less.
	shapes = `select 'c', c.relnamespace::regnamespace::text || '.' || c.relname || ' ' || c.relkind::text from pg_class c
			where c.oid >= 16384 and c.relnamespace::regnamespace::text !~ '^pg_'
		union all select 'a', a.attrelid::regclass::text || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a
			where a.attrelid >= 16384 and a.attnum > 0 and not a.attisdropped and a.attrelid::regclass::text !~ '^pg_(toast|temp)'
		union all select 'k', k.conrelid::regclass::text || '.' || k.conname || ' ' || pg_get_constraintdef(k.oid) from pg_constraint k where k.oid >= 16384
		union all select 't', t.tgrelid::regclass::text || '.' || t.tgname from pg_trigger t where not t.tgisinternal
		union all select 'f', p.oid::regprocedure::text || ' ' || md5(p.prosrc) from pg_proc p where p.oid >= 16384
		union all select 'n', n.nspname::text from pg_namespace n where n.nspname !~ '^pg_'
		union all select 'e', e.extname::text from pg_extension e
		order by 1, 2`
	objects = `select coalesce(count(*) || ':' || sum(hashtextextended(md5(lo_get(oid)), oid::bigint)::numeric), '') from pg_largeobject_metadata`
)

// A content is what a database holds: how many rows each table has, and a
// digest of all there is. Two digests differ if rows, sequences, large objects
// or definitions do.
type content struct {
	rows   map[string]int64
	digest string
}

func contentOf(ctx context.Context, conn *pgx.Conn) (content, error) {
	var c content
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		if _, err := tx.Exec(ctx, plainText); err != nil {
			return err
		}
		c, err = readContent(ctx, tx)
		return err
	})
	if err != nil {
		return content{}, fmt.Errorf("read what database %s holds: %w", conn.Config().Database, err)
	}
	return c, nil
}

func readContent(ctx context.Context, tx pgx.Tx) (content, error) {
	c := content{rows: map[string]int64{}}
	names, err := tableNames(ctx, tx)
	if err != nil {
		return c, err
	}
	h := sha256.New()
	write := json.NewEncoder(h)
	for _, name := range names {
		var n int64
		var sum string
		// A whole row as text. Its alias is no column's name.
		const each = `select count(*), coalesce(sum(hashtextextended("a row of segue"::text, 0)::numeric), 0)::text from only %s "a row of segue"`
		if err := tx.QueryRow(ctx, fmt.Sprintf(each, name)).Scan(&n, &sum); err != nil {
			return c, fmt.Errorf("read %s: %w", name, err)
		}
		c.rows[name] = n
		if err := write.Encode([]any{name, n, sum}); err != nil {
			return c, err
		}
	}
	for _, query := range []string{sequences, shapes} {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return c, err
		}
		type pair struct{ A, B string }
		pairs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pair])
		if err != nil {
			return c, err
		}
		if err := write.Encode(pairs); err != nil {
			return c, err
		}
	}
	var large string
	if err := tx.QueryRow(ctx, objects).Scan(&large); err != nil {
		return c, fmt.Errorf("read the large objects: %w", err)
	}
	if err := write.Encode(large); err != nil {
		return c, err
	}
	c.digest = hex.EncodeToString(h.Sum(nil))
	return c, nil
}

// unlike lists, in words, the tables whose rows are not as many as they were.
func unlike(was, is map[string]int64) []string {
	var out []string
	for _, name := range keysOf(was, is) {
		before, had := was[name]
		now, has := is[name]
		switch {
		case !has:
			out = append(out, fmt.Sprintf("table %s (%d rows) is not there", name, before))
		case !had:
			out = append(out, fmt.Sprintf("table %s (%d rows) is new", name, now))
		case before != now:
			out = append(out, fmt.Sprintf("%s: %d rows → %d", name, before, now))
		}
	}
	return out
}

// snapshot holds one view of the database while others read the same, with the
// tables it found kept from being truncated, until end is called.
type snapshot struct {
	tx     pgx.Tx
	name   string
	tables []string
}

func (db *DB) snapshot(ctx context.Context, lockTimeout time.Duration) (*snapshot, error) {
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	s := &snapshot{tx: tx}
	_, err = tx.Exec(ctx, fmt.Sprintf(`set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
		set local row_security = off; set local lock_timeout = %d`, lockTimeout.Milliseconds()))
	if err == nil {
		err = tx.QueryRow(ctx, "select pg_export_snapshot()").Scan(&s.name)
	}
	if err == nil {
		s.tables, err = tableNames(ctx, tx)
	}
	if err == nil {
		err = lockTables(ctx, tx, s.tables)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *snapshot) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.tx.Rollback(ctx)
}
