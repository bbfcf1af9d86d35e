package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// Groups implements driver.View.
func (v *view) Groups(ctx context.Context, by []string) ([]driver.Group, error) {
	form := make([]driver.FormField, len(by))
	places := make([]string, len(by))
	for i, name := range by {
		form[i] = driver.FormField{Name: name}
		places[i] = fmt.Sprint(i + 1)
	}
	query := "select " + strings.Join(append(v.texts(form), "count(*)"), ", ") + " from " + v.from
	if len(by) > 0 {
		query += " group by " + strings.Join(places, ", ")
	}
	rows, err := v.tx.Query(ctx, query)
	if err != nil {
		return nil, v.db.wrap(err)
	}
	groups, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (driver.Group, error) {
		g := driver.Group{By: make([]*string, len(by))}
		into := make([]any, len(by)+1)
		for i := range by {
			into[i] = &g.By[i]
		}
		into[len(by)] = &g.Records
		return g, row.Scan(into...)
	})
	return groups, v.db.wrap(err)
}

// Sums implements driver.View, in one pass over the rows.
func (v *view) Sums(ctx context.Context, form driver.Form, bits int, within *driver.Buckets) (map[uint64]driver.Sum, error) {
	where, args := v.buckets(form, within)
	key := v.keyText(form)
	query := fmt.Sprintf(`select %s & %d, count(*), count(*) filter (where %s), sum(%s)::text from %s%s group by 1`,
		hash(form, key), int64(1)<<bits-1, v.absent(form), hash(form, v.rowText(form)), v.from, where)
	rows, err := v.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, v.db.wrap(err)
	}
	out := map[uint64]driver.Sum{}
	var bucket *int64
	var count, keyless int64
	var sum string
	_, err = pgx.ForEachRow(rows, []any{&bucket, &count, &keyless, &sum}, func() error {
		if keyless > 0 {
			return fmt.Errorf("%w: %d rows have no %s, by which they are to be told apart", errAnswer, keyless, fieldNames(form.Key))
		}
		out[uint64(*bucket)] = driver.Sum{Records: count, Digest: sum} //nolint:gosec // masked
		return nil
	})
	return out, v.db.wrap(err)
}

func fieldNames(fields []driver.FormField) string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Name)
	}
	return strings.Join(out, ", ")
}

// Digests implements driver.View.
func (v *view) Digests(ctx context.Context, form driver.Form, within driver.Buckets, take func(driver.Digest) error) error {
	where, args := v.buckets(form, &within)
	// Bytes are ordered the same by any server, whatever it is built with.
	query := fmt.Sprintf(`select array[%s], convert_to(%s, 'UTF8'), %s from %s%s order by 2`,
		strings.Join(v.texts(form.Key), ", "), v.keyText(form), hash(form, v.rowText(form)), v.from, where)
	rows, err := v.tx.Query(ctx, query, args...)
	if err != nil {
		return v.db.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d driver.Digest
		if err := rows.Scan(&d.Key, &d.Order, &d.Of); err != nil {
			return v.db.wrap(err)
		}
		if err := take(d); err != nil {
			return err
		}
	}
	return v.db.wrap(rows.Err())
}

// Look implements driver.View. The keys come as columns of their own types, so
// that an index finds them.
func (v *view) Look(ctx context.Context, form driver.Form, keys [][]string) ([]driver.Seen, error) {
	var lists, columns, conditions []string
	args := make([]any, len(form.Key))
	for i, f := range form.Key {
		column := make([]string, len(keys))
		for j, key := range keys {
			column[j] = key[i]
		}
		args[i] = column
		lists = append(lists, fmt.Sprintf("$%d::text[]", i+1))
		columns = append(columns, fmt.Sprintf("k%d", i))
		conditions = append(conditions, v.found(f, fmt.Sprintf("k.k%d", i)))
	}
	query := fmt.Sprintf(`select array[%s], array[%s]::text[] from (select distinct * from unnest(%s) u(%s)) k join %s on %s`,
		strings.Join(v.texts(form.Key), ", "), strings.Join(v.texts(form.Fields), ", "),
		strings.Join(lists, ", "), strings.Join(columns, ", "), v.from, strings.Join(conditions, " and "))
	rows, err := v.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, v.db.wrap(err)
	}
	seen, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s driver.Seen, err error) {
		return s, row.Scan(&s.Key, &s.Values)
	})
	return seen, v.db.wrap(err)
}

// found is the condition that a field has the value of a text, such that an
// index on it serves where the text is one of the field's own type.
func (v *view) found(f driver.FormField, text string) string {
	switch t := v.types[f.Name]; {
	case f.As == "" && t != "bpchar", f.As == driver.DecimalNumber && t == "numeric", f.As == driver.Instant && t == "timestamptz",
		f.As == driver.Text && (t == "text" || t == "varchar"):
		return "r." + quote(f.Name) + " = " + text + "::" + v.casts[f.Name]
	}
	return v.expr(f) + "::text = " + text
}
