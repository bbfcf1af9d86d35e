package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
)

// expr is a field of a row in its form.
func (v *view) expr(f driver.FormField) string {
	name, t := "r."+quote(f.Name), v.types[f.Name]
	switch f.As {
	case driver.DecimalNumber: // 1.0 is 1
		switch t {
		case "float4", "float8": // as its shortest digits say, and not by its bits
			name += "::text"
			fallthrough
		case "int2", "int4", "int8":
			name += "::numeric"
		}
		return "trim_scale(" + name + ")"
	case driver.Instant: // a time without zone is one of UTC
		if t == "date" {
			name += "::timestamp"
		}
		if t != "timestamptz" {
			return "(" + name + " at time zone 'UTC')"
		}
	case driver.LocalTime:
		return name + "::timestamp"
	case driver.Document:
		return name + "::jsonb"
	case driver.Text:
		return name + "::text"
	case "":
		if t == "bpchar" { // without the blanks that fill it up
			return name + "::text"
		}
	}
	return name
}

func (v *view) exprs(fields []driver.FormField) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = v.expr(f)
	}
	return out
}

// texts are fields as texts, NULL staying NULL.
func (v *view) texts(fields []driver.FormField) []string {
	out := v.exprs(fields)
	for i := range out {
		out[i] += "::text"
	}
	return out
}

// asRow is one text of several fields, which tells NULL from an empty text.
func asRow(exprs []string) string { return "row(" + strings.Join(exprs, ", ") + ")::text" }

// keyText is one text of the key.
func (v *view) keyText(form driver.Form) string {
	if exprs := v.exprs(form.Key); len(exprs) > 1 {
		return asRow(exprs)
	}
	return v.expr(form.Key[0]) + "::text"
}

// hash is 64 bits of a text.
func hash(form driver.Form, text string) string {
	if form.Portable {
		return "('x' || left(md5(convert_to(" + text + ", 'UTF8')), 16))::bit(64)::bigint"
	}
	return "hashtextextended(" + text + ", 0)"
}

// buckets is the condition that a row is in one of some buckets, with the
// argument $1; "" for nil, which means all.
func (v *view) buckets(form driver.Form, b *driver.Buckets) (where string, args []any) {
	if b == nil {
		return "", nil
	}
	of := make([]int64, len(b.Of))
	for i, n := range b.Of {
		of[i] = int64(n) //nolint:gosec // of 62 bits at most
	}
	return fmt.Sprintf(" where %s & %d = any($1)", hash(form, v.keyText(form)), int64(1)<<b.Bits-1), []any{of}
}

// absent is the condition that a row has no key.
func (v *view) absent(form driver.Form) string {
	var out []string
	for _, f := range form.Key {
		out = append(out, "r."+quote(f.Name)+" is null")
	}
	return strings.Join(out, " or ")
}

// rowText is one text of all that counts of a row, with its key: else two rows
// that have changed places would sum up as before.
func (v *view) rowText(form driver.Form) string {
	return asRow(v.exprs(slices.Concat(form.Key, form.Fields)))
}
