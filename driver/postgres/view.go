package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

var _ driver.Viewer = (*DB)(nil)

// view is a table, or what a query gives, as one snapshot has it.
type view struct {
	db     *DB
	tx     pgx.Tx
	id     string
	from   string // what stands after FROM
	key    []string
	fields []driver.ViewField
	types  map[string]string // of each field, the type's name in pg_type
	casts  map[string]string // of each field, the type as a cast takes it
	at     time.Time
	hash   string
}

// View implements driver.Viewer, in a snapshot of its own. Nothing but ctx ends
// what is asked of it.
func (db *DB) View(ctx context.Context, place driver.Place) (driver.View, error) {
	p, err := driver.Placed[readParams](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", db, err)
	}
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, db.wrap(err)
	}
	v := &view{db: db, tx: tx, id: id, from: p.Table, key: p.Key, types: map[string]string{}, casts: map[string]string{}}
	if err := v.prepare(ctx, p); err != nil {
		_ = v.Close()
		return nil, db.wrap(err)
	}
	return v, nil
}

func (v *view) prepare(ctx context.Context, p readParams) error {
	// A query finds its tables by the connection's own search_path.
	if _, err := v.tx.Exec(ctx, `set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;`+written); err != nil {
		return err
	}
	if p.Query != "" {
		v.id += "/query/" + digest(p.Query)
		v.from = "(" + strings.TrimRight(strings.TrimSpace(p.Query), ";") + ") r"
	} else if err := v.table(ctx, p.Table); err != nil {
		return err
	}
	if err := v.describe(ctx); err != nil {
		return err
	}
	// What a server makes of a text may differ by its build; the encoding is
	// what the text is made of.
	const probe = `select clock_timestamp(), getdatabaseencoding() || ' ' || hashtextextended('a text that Segue knows: äöü', 0)`
	return v.tx.QueryRow(ctx, probe).Scan(&v.at, &v.hash)
}

// written has values read as the same text whoever reads them, and all rows seen.
const written = ` set local timezone = 'UTC'; set local datestyle = 'ISO'; set local intervalstyle = 'postgres';
	set local bytea_output = 'hex'; set local extra_float_digits = 1; set local lc_monetary = 'C'; set local row_security = off`

// table finds a table, and its primary key.
func (v *view) table(ctx context.Context, name string) error {
	var from string
	var key []string
	err := v.tx.QueryRow(ctx, `select format('%I.%I', n.nspname, c.relname),
		(select array_agg(a.attname::text order by k.place) from pg_index i
			cross join unnest(i.indkey::int2[]) with ordinality k(num, place)
			join pg_attribute a on a.attrelid = c.oid and a.attnum = k.num where i.indrelid = c.oid and i.indisprimary)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)`, name).Scan(&from, &key)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: there is no table %s", errAnswer, name)
	}
	if err != nil {
		return fmt.Errorf("look for table %s: %w", name, err)
	}
	if len(v.key) == 0 {
		v.key = key
	}
	v.id += "/table/" + from
	v.from = from + " r"
	return nil
}

// describe learns what fields there are.
func (v *view) describe(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, "select * from "+v.from+" limit 0")
	if err != nil {
		return err
	}
	columns := slices.Clone(rows.FieldDescriptions()) // the next answer overwrites them
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	var oids []uint32
	for _, c := range columns {
		oids = append(oids, c.DataTypeOID)
	}
	names := map[uint32][2]string{}
	rows, err = v.tx.Query(ctx, `select oid, typname::text, format_type(oid, null) from pg_type where oid = any($1)`, oids)
	if err != nil {
		return err
	}
	var oid uint32
	var name, shown string
	if _, err := pgx.ForEachRow(rows, []any{&oid, &name, &shown}, func() error {
		names[oid] = [2]string{name, shown}
		return nil
	}); err != nil {
		return fmt.Errorf("look up the types of the columns: %w", err)
	}
	for _, c := range columns {
		if _, twice := v.types[c.Name]; twice {
			return fmt.Errorf("%w: two columns are called %s", errAnswer, c.Name)
		}
		t := names[c.DataTypeOID]
		v.types[c.Name], v.casts[c.Name] = t[0], t[1]
		v.fields = append(v.fields, driver.ViewField{Name: c.Name, Kind: kindOfType(t[0]), Type: t[1]})
	}
	return nil
}

// kindOfType is what values of a type are.
func kindOfType(name string) driver.FieldKind {
	switch name {
	case "int2", "int4", "int8":
		return driver.WholeNumber
	case "numeric":
		return driver.DecimalNumber
	case "float4", "float8":
		return driver.BinaryNumber
	case "timestamptz":
		return driver.Instant
	case "timestamp", "date":
		return driver.LocalTime
	case "json", "jsonb":
		return driver.Document
	case "text", "varchar", "bpchar", "name", "citext":
		return driver.Text
	}
	return driver.FieldKind(name)
}

// ID implements driver.View.
func (v *view) ID() string { return v.id }

// At implements driver.View.
func (v *view) At() time.Time { return v.at }

// Fields implements driver.View.
func (v *view) Fields() []driver.ViewField { return v.fields }

// Key implements driver.View.
func (v *view) Key() []string { return v.key }

// Dialect implements driver.View.
func (v *view) Dialect() (dialect, hash string) { return kind, v.hash }

// Close implements driver.View.
func (v *view) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	return v.tx.Rollback(ctx)
}
