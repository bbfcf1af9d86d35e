package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	maxNodes = 200_000 // values within one variable
	maxDepth = 64
)

// convert makes a variable's value one of CEL's. A NaN anywhere within, more
// data than can be looked at, or a value of no known kind is an error.
func convert(v any) (ref.Val, error) {
	c := &converter{}
	plain, err := c.plain(reflect.ValueOf(v), 0)
	if err != nil {
		return nil, err
	}
	val := types.DefaultTypeAdapter.NativeToValue(plain)
	if types.IsUnknownOrError(val) {
		return nil, fmt.Errorf("a %T cannot be used in an expression", v)
	}
	return val, nil
}

type converter struct{ nodes int }

// plain turns a value into nil, bool, int64, uint64, float64, string, []byte,
// time.Time, time.Duration, []any and map[string]any.
func (c *converter) plain(v reflect.Value, depth int) (any, error) {
	if c.nodes++; c.nodes > maxNodes || depth > maxDepth {
		return nil, errors.New("there is too much data to look at")
	}
	if !v.IsValid() {
		return nil, nil
	}
	switch t := v.Interface().(type) {
	case json.Number:
		return fromNumber(t)
	case time.Time:
		return t, nil
	case time.Duration:
		return t, nil
	case []byte:
		return t, nil
	case nil, bool, int64, float64, string:
		if f, ok := t.(float64); ok && math.IsNaN(f) {
			return nil, errors.New("a value is NaN")
		}
		return t, nil
	case map[string]any: // records have many, and reflection takes its time
		out := make(map[string]any, len(t))
		for k, e := range t {
			var err error
			if out[k], err = c.plain(reflect.ValueOf(e), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		return c.plain(v.Elem(), depth+1)
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := v.Uint(); n <= math.MaxInt64 {
			return int64(n), nil
		}
		return v.Uint(), nil
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) {
			return nil, errors.New("a value is NaN")
		}
		return v.Float(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Slice, reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			e, err := c.plain(v.Index(i), depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			e, err := c.plain(it.Value(), depth+1)
			if err != nil {
				return nil, err
			}
			out[it.Key().String()] = e
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %s cannot be used in an expression", v.Type())
}

func fromNumber(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u, nil
	}
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) {
		return nil, fmt.Errorf("%q is not a number", n.String())
	}
	return f, nil
}
