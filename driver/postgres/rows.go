package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// maxRows bounds what a check reads: who wants more should count in SQL.
const maxRows = 10_000

// rowsOf reads a query's answer as plain data.
func rowsOf(ctx context.Context, tx pgx.Tx, query string, args []any) (names []string, out []map[string]any, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for _, f := range rows.FieldDescriptions() {
		names = append(names, f.Name)
	}
	for rows.Next() {
		if len(out) == maxRows {
			return nil, nil, fmt.Errorf("%w: more than %d rows; let the query count or limit them", errAnswer, maxRows)
		}
		values, err := rows.Values()
		if err != nil {
			return nil, nil, err
		}
		row := make(map[string]any, len(values))
		for i, v := range values {
			row[names[i]] = plain(v)
		}
		out = append(out, row)
	}
	return names, out, rows.Err()
}

// plain turns pgx's values into what expressions know: nil, bool, int64,
// float64, string, []byte, time.Time, time.Duration, lists and maps.
func plain(v any) any {
	switch v := v.(type) {
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint32:
		return int64(v)
	case float32:
		return float64(v)
	case pgtype.Numeric:
		return number(v)
	case pgtype.Time:
		return time.Duration(v.Microseconds) * time.Microsecond
	case pgtype.Interval:
		if v.Months == 0 {
			return time.Duration(v.Days)*24*time.Hour + time.Duration(v.Microseconds)*time.Microsecond
		}
		text, _ := v.Value()
		return text
	case [16]byte:
		return pgtype.UUID{Bytes: v, Valid: true}.String()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
		return v
	case nil, bool, int64, float64, string, []byte, time.Time:
		return v
	case fmt.Stringer:
		return v.String()
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// number is a whole numeric exactly where it fits, else the nearest float.
func number(n pgtype.Numeric) any {
	if n.Int != nil && n.Exp >= 0 && n.Exp < 20 && !n.NaN && n.InfinityModifier == pgtype.Finite {
		whole := new(big.Int).Mul(n.Int, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.Exp)), nil))
		if whole.IsInt64() {
			return whole.Int64()
		}
	}
	f, err := n.Float64Value()
	if err != nil || !f.Valid {
		return nil
	}
	return f.Float64
}
