package integrity

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
)

// canonical is a value as text that is the same for the same value of any source,
// with a letter for its kind in front; "" for none. Numbers are the same by what
// they are worth, and points in time to the microsecond, which is what PostgreSQL
// keeps; a text that is one, with its zone, counts as one.
func canonical(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return "b" + strconv.FormatBool(v)
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return canonical(t)
		}
		return "s" + v
	case time.Time:
		return "t" + v.UTC().Round(time.Microsecond).Format(time.RFC3339Nano)
	case json.Number:
		return "n" + number(v.String())
	case int64:
		return "n" + strconv.FormatInt(v, 10)
	case float64:
		return "n" + number(strconv.FormatFloat(v, 'g', -1, 64))
	case []byte:
		return "x" + hex.EncodeToString(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = strconv.Quote(canonical(e))
		}
		return "l[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, strconv.Quote(name)+":"+strconv.Quote(canonical(v[name])))
		}
		return "m{" + strings.Join(parts, ",") + "}"
	}
	return "?" + fmt.Sprint(v)
}

// number is a number in one form. One whose exponent is beyond what anybody
// writes stays as it is written.
func number(text string) string {
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
		return text
	}
	if r, ok := new(big.Rat).SetString(text); ok {
		digits, _ := r.FloatPrec() // exact: what is written in decimal ends
		return r.FloatString(digits)
	}
	return text
}

// normal is a value such that what is equal is shown as equal.
func normal(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = normal(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			out[name] = normal(e)
		}
		return out
	}
	switch text := canonical(v); {
	case strings.HasPrefix(text, "n"):
		return json.Number(text[1:])
	case strings.HasPrefix(text, "t"):
		return text[1:]
	}
	return v
}

// shown is a value for people, and as the text by which it is counted.
func shown(v any) *string {
	var text string
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool, int64, float64:
		text = fmt.Sprint(v)
	case time.Time:
		text = v.UTC().Format(time.RFC3339Nano)
	case []byte:
		text = hex.EncodeToString(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			raw = fmt.Append(nil, v)
		}
		text = string(raw)
	}
	return &text
}

// fieldsOf names the fields of a record that are compared, in order.
func (c choice) fieldsOf(r driver.Record) []string {
	if len(c.Fields) > 0 {
		return c.Fields
	}
	var out []string
	for name, v := range r {
		if v != nil && !slices.Contains(c.Ignore, name) && !slices.Contains(c.Key, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// digest is 64 bits of what counts of a record.
func (c choice) digest(r driver.Record) uint64 {
	h := sha256.New()
	for _, name := range c.fieldsOf(r) {
		if v := canonical(r[name]); v != "" {
			fmt.Fprintf(h, "%q:%q,", name, v)
		}
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// keyOf is what tells a record apart.
func (c choice) keyOf(r driver.Record) ([]string, error) {
	key := make([]string, len(c.Key))
	for i, name := range c.Key {
		v := canonical(r[name])
		if v == "" {
			return nil, fmt.Errorf("a record has no %s, by which it is to be told apart", name)
		}
		key[i] = v[1:] // an id is the same as a number and as a text
	}
	return key, nil
}
