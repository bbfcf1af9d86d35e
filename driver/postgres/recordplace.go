package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// readParams is a Place to read records from.
type readParams struct {
	Table string   `param:"table" doc:"The table, as in robots or public.robots."`
	Query string   `param:"query" doc:"A query instead of a table; what it gives must not depend on its order."`
	Key   []string `param:"key" doc:"The columns by which records are put in order, of one unique index; a table's primary key otherwise."`
}

// Validate implements what types cannot say.
func (p readParams) Validate() error {
	switch {
	case (p.Table == "") == (p.Query == ""):
		return &runbook.FieldError{Field: "table", Problem: "records are read from a table or by a query", Remedy: "give one of the two"}
	case p.Query != "" && len(p.Key) == 0:
		return &runbook.FieldError{Field: "query", Problem: "nothing tells its records apart", Remedy: "say with key which columns do"}
	}
	return tableName(p.Table)
}

// writeParams is a Place to write records to.
type writeParams struct {
	Table string `param:"table,required" doc:"The table, as in robots or public.robots. The columns of the sync's key must have a unique index."`
}

// Validate implements what types cannot say.
func (p writeParams) Validate() error { return tableName(p.Table) }

var tableForm = regexp.MustCompile(`^([A-Za-z_][\w$]*|"[^"]+")(\.([A-Za-z_][\w$]*|"[^"]+"))?$`)

func tableName(name string) error {
	if name == "" || strings.Contains(name, "${") || tableForm.MatchString(name) {
		return nil
	}
	return &runbook.FieldError{Field: "table", Problem: name + " is no name of a table", Remedy: `write robots, public.robots or "Odd Name"`}
}

// A column is one that can be written.
type column struct {
	name string
	oid  uint32
	json bool // json or jsonb
	list bool // an array
}

// A table is one as the catalog has it.
type table struct {
	oid     uint32
	name    string // quoted, with its schema
	columns []column
	key     []string   // of the primary key
	unique  [][]string // columns of each unique index
}

func (t table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

func (t table) names() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.name
	}
	return out
}

// table looks a table up.
func (db *DB) table(ctx context.Context, name string) (table, error) {
	var t table
	err := db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `select c.oid, format('%I.%I', c.relnamespace::regnamespace::text, c.relname) from pg_class c
			where c.oid = to_regclass($1) and c.relkind in ('r', 'p', 'f', 'v', 'm')`, name).Scan(&t.oid, &t.name)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select a.attname, a.atttypid, t.typcategory = 'A', b.typname in ('json', 'jsonb')
			from pg_attribute a join pg_type t on t.oid = a.atttypid
			join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
			where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`, t.oid)
		if err != nil {
			return err
		}
		t.columns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c column, err error) {
			err = row.Scan(&c.name, &c.oid, &c.list, &c.json)
			return c, err
		})
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `select i.indisprimary, array(select a.attname::text from unnest(i.indkey) with ordinality k(num, at)
				join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num where k.at <= i.indnkeyatts order by k.at)
			from pg_index i where i.indrelid = $1 and i.indisunique and i.indpred is null and i.indexprs is null and i.indisvalid`, t.oid)
		if err != nil {
			return err
		}
		var primary bool
		var columns []string
		_, err = pgx.ForEachRow(rows, []any{&primary, &columns}, func() error {
			if primary {
				t.key = columns
			}
			t.unique = append(t.unique, columns)
			columns = nil
			return nil
		})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return t, &driver.Refusal{System: db.String(), Reason: "there is no table " + name, Remedy: "create it first"}
	}
	if err != nil {
		return t, fmt.Errorf("look at table %s: %w", name, err)
	}
	return t, nil
}

// has reports whether some columns, in any order, tell rows apart.
func (t table) has(key []string) bool {
	want := slices.Sorted(slices.Values(key))
	return slices.ContainsFunc(t.unique, func(u []string) bool { return slices.Equal(want, slices.Sorted(slices.Values(u))) })
}

func idents(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quote(n)
	}
	return out
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
