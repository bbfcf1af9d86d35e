package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type indexParams struct {
	Rows   int           `param:"rows" doc:"From how many rows on a table is worth an index." default:"10000"`
	Scans  int           `param:"scans" doc:"From how many sequential scans on a table is said to lack an index, and how often a table must have been read before an index of it is said to be unused." default:"50"`
	Size   runbook.Bytes `param:"size" doc:"From which size on an unused index is told." default:"1MiB"`
	Ignore []string      `param:"ignore" doc:"Tables and indexes of which nothing is told, as in public.robots."`
}

// Validate implements what types cannot say.
func (p indexParams) Validate() error {
	if p.Rows < 0 || p.Scans < 0 || p.Size < 0 {
		return &runbook.FieldError{Field: "rows", Problem: "a bound is negative", Remedy: "write 10000"}
	}
	return nil
}

// indexes looks for indexes that are missing, unused, or there twice.
type indexes struct {
	db *DB
	p  indexParams
}

func indexCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.indexes", On: kind,
		Doc: "No large table is read through time and again for want of an index, no large index is unused, none is there twice; since the statistics were reset. What it finds is advice: look at the plan first.",
	}, func(_ context.Context, db *DB, p indexParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if p.Rows == 0 {
			p.Rows = 10_000
		}
		if p.Scans == 0 {
			p.Scans = 50
		}
		if p.Size == 0 {
			p.Size = 1 << 20
		}
		return &indexes{db, p}, nil
	})
}

// An advice is one thing that an index check found.
type advice struct {
	Kind    string   `json:"kind"` // missing, unused or duplicate
	Table   string   `json:"table"`
	Index   string   `json:"index,omitempty"`
	Columns []string `json:"columns,omitempty"` // that statements filter by, and no index begins with
	Why     string   `json:"why"`
}

func (a advice) String() string {
	switch a.Kind {
	case "missing":
		on := "no statement that is known says which"
		if len(a.Columns) > 0 {
			on = "statements filter by " + strings.Join(a.Columns, ", ")
		}
		return fmt.Sprintf("%s lacks an index (%s; %s)", a.Table, a.Why, on)
	case "unused":
		return fmt.Sprintf("%s on %s is unused (%s)", a.Index, a.Table, a.Why)
	}
	return fmt.Sprintf("%s on %s is there twice (%s)", a.Index, a.Table, a.Why)
}

const (
	// unusedQuery leaves out what keeps rows unique, or is being built.
	unusedQuery = `select 'unused', s.schemaname || '.' || s.relname, s.schemaname || '.' || s.indexrelname,
			pg_size_pretty(pg_relation_size(s.indexrelid)) || ', and the table was read ' || t.seq_scan + coalesce(t.idx_scan, 0) || ' times'
		from pg_stat_user_indexes s join pg_index i on i.indexrelid = s.indexrelid join pg_stat_user_tables t on t.relid = s.relid
		where s.idx_scan = 0 and not i.indisunique and not i.indisexclusion and i.indisvalid and t.seq_scan + coalesce(t.idx_scan, 0) >= $1
		and pg_relation_size(s.indexrelid) >= $2 and not exists (select from pg_constraint c where c.conindid = s.indexrelid)
		order by pg_relation_size(s.indexrelid) desc`
	// duplicateQuery tells of two equal ones the one that can go: not the one that
	// a constraint needs.
	duplicateQuery = `select 'duplicate', format('%s.%s', n.nspname, t.relname), format('%s.%s', n.nspname, c.relname), 'as ' || o.relname
		from pg_index i join pg_index j on j.indrelid = i.indrelid and j.indexrelid <> i.indexrelid
			and (j.indkey::text, j.indclass::text, j.indcollation::text, j.indoption::text) = (i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text)
			and coalesce(pg_get_expr(j.indexprs, j.indrelid), '') = coalesce(pg_get_expr(i.indexprs, i.indrelid), '')
			and coalesce(pg_get_expr(j.indpred, j.indrelid), '') = coalesce(pg_get_expr(i.indpred, i.indrelid), '')
		join pg_class c on c.oid = i.indexrelid join pg_class o on o.oid = j.indexrelid and o.relam = c.relam
		join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
		where n.nspname !~ '^pg_' and i.indisvalid and j.indisvalid
		and (i.indisunique::int, exists (select from pg_constraint k where k.conindid = i.indexrelid)::int, -i.indexrelid::bigint)
			< (j.indisunique::int, exists (select from pg_constraint k where k.conindid = j.indexrelid)::int, -j.indexrelid::bigint)
		order by 3`
	// missingQuery: a scan that reads few rows is no reason, so the mean counts.
	missingQuery = `select 'missing', schemaname || '.' || relname, '', seq_scan || ' scans of ' || seq_tup_read / seq_scan || ' rows each, ' || coalesce(idx_scan, 0) || ' by index'
		from pg_stat_user_tables where seq_scan >= $1 and seq_tup_read / greatest(seq_scan, 1) >= $2 and seq_scan > coalesce(idx_scan, 0) / 10
		order by seq_tup_read desc`
	// columnsQuery lists a table's columns that no index begins with.
	columnsQuery = `select a.attname::text from pg_attribute a where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped
		and not exists (select from pg_index i where i.indrelid = a.attrelid and i.indkey[0] = a.attnum)`
	statementsQuery = `select s.query from pg_stat_statements s join pg_database d on d.oid = s.dbid
		where d.datname = current_database() and s.query ~* ('\y' || $1 || '\y') and s.query ~* '\ywhere\y' order by s.total_exec_time desc limit 200`
)

// Read implements driver.Check.
func (x *indexes) Read(ctx context.Context) evidence.Reading {
	const bound = "none missing, unused or twice"
	found, err := x.look(ctx)
	r := evidence.Passed("none", bound)
	switch {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case len(found) > 0:
		var texts []string
		for _, a := range found {
			texts = append(texts, a.String())
		}
		r = evidence.Failed(fmt.Sprintf("%d", len(found)), bound, strings.Join(texts, "; "))
		if raw, err := json.Marshal(found); err == nil {
			r.Raw = raw
		}
	}
	r.Bound, r.Source, r.Query = bound, x.db.String(), "pg_stat_user_indexes, pg_index and pg_stat_user_tables"
	return r
}

func (x *indexes) look(ctx context.Context) ([]advice, error) {
	var out []advice
	for _, q := range []struct {
		text string
		args []any
	}{{missingQuery, []any{x.p.Scans, x.p.Rows}}, {unusedQuery, []any{x.p.Scans, int64(x.p.Size)}}, {duplicateQuery, nil}} {
		err := x.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, q.text, q.args...)
			if err != nil {
				return err
			}
			found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a advice, err error) {
				return a, row.Scan(&a.Kind, &a.Table, &a.Index, &a.Why)
			})
			out = append(out, found...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for indexes: %w", err)
		}
	}
	told := map[string]bool{}
	out = slices.DeleteFunc(out, func(a advice) bool {
		again := a.Kind == "duplicate" && told[a.Index] // of three
		told[a.Index] = told[a.Index] || a.Kind == "duplicate"
		return again || slices.Contains(x.p.Ignore, a.Table) || slices.Contains(x.p.Ignore, a.Index)
	})
	for i := range out {
		if out[i].Kind == "missing" {
			columns, err := x.filtered(ctx, out[i].Table)
			if err != nil {
				return nil, err
			}
			out[i].Columns = columns
		}
	}
	return out, nil
}

// filtered are the columns of a table that statements compare with something, and
// that no index begins with; nil where nobody knows, without pg_stat_statements.
func (x *indexes) filtered(ctx context.Context, table string) ([]string, error) {
	_, name, _ := strings.Cut(table, ".")
	var columns, statements []string
	err := x.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, columnsQuery, table)
		if err != nil {
			return err
		}
		if columns, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, statementsQuery, regexp.QuoteMeta(name)); err != nil {
			return err
		}
		statements, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if code := sqlState(err); code == "42P01" || code == "55000" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("which columns of %s statements filter by: %w", table, err)
	}
	var out []string
	for _, column := range columns {
		compared := regexp.MustCompile(`(?i)\b"?` + regexp.QuoteMeta(column) + `"?\s*(=|<|>|in\b|like\b|ilike\b|between\b|is\b|~)`)
		if slices.ContainsFunc(statements, func(s string) bool {
			_, where, _ := strings.Cut(strings.ToLower(s), "where")
			return compared.MatchString(where)
		}) {
			out = append(out, column)
		}
	}
	return out, nil
}
