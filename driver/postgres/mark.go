package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A mark is what a restore leaves as the comment of the database that it
// makes: it tells what is half-made from what is whole, outlives Segue, and
// goes with the database when that is renamed.
type mark struct {
	Filling  string `json:"filling,omitempty"`  // the backup that is being restored
	Restored string `json:"restored,omitempty"` // the backup that was
	SHA256   string `json:"sha256,omitempty"`   // of its file
	// Rows and Content are what the database held right after.
	Rows    map[string]int64 `json:"rows,omitempty"`
	Content string           `json:"content,omitempty"`
	Was     string           `json:"was,omitempty"` // the comment that was there before
}

const markPrefix = "segue restore: "

func (m mark) String() string {
	raw, err := json.Marshal(m)
	if err != nil {
		panic("postgres: a mark is not JSON: " + err.Error()) // strings and numbers
	}
	return markPrefix + string(raw)
}

// markOf reads a comment; nil if it is nobody's mark.
func markOf(comment string) *mark {
	text, ok := strings.CutPrefix(comment, markPrefix)
	var m mark
	if !ok || json.Unmarshal([]byte(text), &m) != nil || m.Filling == "" && m.Restored == "" {
		return nil
	}
	return &m
}

// A neighbour is another database of the server, as the catalog shows it.
type neighbour struct {
	there   bool
	open    bool // takes connections
	ours    bool // the role may act as its owner
	comment string
	mark    *mark
}

func (db *DB) neighbour(ctx context.Context, name string) (neighbour, error) {
	n := neighbour{there: true}
	err := db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select datallowconn, pg_has_role(datdba, 'USAGE'), coalesce(shobj_description(oid, 'pg_database'), '')
			from pg_database where datname = $1`, name).Scan(&n.open, &n.ours, &n.comment)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return neighbour{}, nil
	}
	if err != nil {
		return neighbour{}, fmt.Errorf("look for database %s: %w", name, err)
	}
	n.mark = markOf(n.comment)
	return n, nil
}

// vacant reports whether a database holds nothing of anybody's: what came with
// the server or with an extension does not count.
const vacant = `select not exists (
	select from (
		select 'pg_class'::regclass as catalog, oid from pg_class where relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
		union all select 'pg_proc'::regclass, oid from pg_proc
		union all select 'pg_type'::regclass, oid from pg_type where typnamespace::regnamespace::text !~ '^pg_(toast|temp)'
		union all select 'pg_namespace'::regclass, oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'public'
		union all select 'pg_largeobject'::regclass, oid from pg_largeobject_metadata
	) o where o.oid >= 16384
	and not exists (select from pg_depend d where d.classid = o.catalog and d.objid = o.oid and d.deptype = 'e'))`

// empty looks into another database.
func (db *DB) empty(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	var is bool
	err := db.in(ctx, name, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, vacant).Scan(&is)
	})
	if err != nil {
		return false, fmt.Errorf("look whether database %s is empty: %w", name, err)
	}
	return is, nil
}

// in runs f on a connection of its own to a database of the server, for what
// no transaction may hold or what takes its time: it ends only with ctx.
func (db *DB) in(ctx context.Context, name string, f func(context.Context, *pgx.Conn) error) error {
	cfg := db.pool.Config().ConnConfig
	cfg.Database = name
	cfg.RuntimeParams["statement_timeout"] = "0"
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return db.wrap(err)
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.Background(), closing)
		defer cancel()
		_ = conn.Close(bye)
	}()
	return db.wrap(f(ctx, conn))
}

// order runs a statement that takes no parameters, with names and texts put in
// by the server's own format().
func order(ctx context.Context, conn *pgx.Conn, form string, args ...any) error {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = fmt.Sprint(a)
	}
	var sql string
	if err := conn.QueryRow(ctx, "select format($1::text, variadic $2::text[])", form, texts).Scan(&sql); err != nil {
		return fmt.Errorf("write %q: %w", form, err)
	}
	_, err := conn.Exec(ctx, sql)
	return err
}
