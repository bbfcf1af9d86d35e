package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/segue-run/segue/driver"
)

// A rowReader makes records of rows that come as text.
type rowReader struct{ fields []pgconn.FieldDescription }

// record keeps every value exact: what is none of the plain kinds stays the text
// that PostgreSQL writes it as.
func (r rowReader) record(values [][]byte) (driver.Record, *driver.BadRecord) {
	out := make(driver.Record, len(values))
	for i, v := range values {
		name := r.fields[i].Name
		value, err := valueOf(r.fields[i].DataTypeOID, v)
		if err != nil {
			return nil, &driver.BadRecord{Record: out, Field: name, Reason: err.Error()}
		}
		out[name] = value
	}
	return out, nil
}

const timeForm = "2006-01-02 15:04:05.999999999Z07"

func valueOf(oid uint32, v []byte) (any, error) {
	if v == nil {
		return nil, nil
	}
	text := string(v)
	switch oid {
	case pgtype.BoolOID:
		return text == "t", nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		if strings.ContainsAny(text, "NI") { // NaN and infinity have no JSON
			return text, nil
		}
		return json.Number(text), nil
	case pgtype.TimestamptzOID:
		if t, err := time.Parse(timeForm, text); err == nil {
			return t.UTC(), nil
		}
		return text, nil // infinity, or BC
	case pgtype.JSONOID, pgtype.JSONBOID:
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var out any
		if err := dec.Decode(&out); err != nil {
			return nil, fmt.Errorf("its JSON cannot be read: %w", err)
		}
		return out, nil
	case pgtype.ByteaOID:
		raw, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
		if err != nil {
			return nil, fmt.Errorf("its bytes cannot be read: %w", err)
		}
		return raw, nil
	}
	return text, nil
}

// appendText writes a value as COPY takes it, in a column.
func appendText(b []byte, v any, c column) ([]byte, error) {
	if v == nil {
		return append(b, `\N`...), nil
	}
	if c.json {
		raw, err := json.Marshal(v)
		if err != nil {
			return b, err
		}
		return appendEscaped(b, string(raw)), nil
	}
	switch v := v.(type) {
	case string:
		return appendEscaped(b, v), nil
	case json.Number:
		return append(b, v...), nil
	case bool:
		if v {
			return append(b, 't'), nil
		}
		return append(b, 'f'), nil
	case time.Time:
		return v.UTC().AppendFormat(b, time.RFC3339Nano), nil
	case []byte:
		return append(b, `\\x`+hex.EncodeToString(v)...), nil
	case []any:
		if c.list {
			text, err := listText(v)
			return appendEscaped(b, text), err
		}
	case int64, float64:
		return fmt.Append(b, v), nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return appendEscaped(b, string(raw)), nil
}

func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\':
			b = append(b, '\\', '\\')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, c)
		}
	}
	return b
}

// listText is a list as an array is written.
func listText(list []any) (string, error) {
	parts := make([]string, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case nil:
			parts[i] = "NULL"
		case []any:
			inner, err := listText(v)
			if err != nil {
				return "", err
			}
			parts[i] = inner
		default:
			text, ok := v.(string)
			if !ok {
				raw, err := json.Marshal(v)
				if err != nil {
					return "", err
				}
				text = string(raw)
			}
			parts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		}
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
