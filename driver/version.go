package driver

import (
	"encoding/json"
	"fmt"
	"math/big"
	"time"
)

// Newer reports whether a version, a, comes after another, b: as times if both
// can be, as numbers if both are, else as texts. nil comes before all.
func Newer(a, b any) bool {
	if a == nil || b == nil {
		return a != nil
	}
	x, isTime := moment(a)
	if y, ok := moment(b); isTime && ok {
		return x.After(y)
	}
	n, isNumber := number(a)
	if m, ok := number(b); isNumber && ok {
		return n.Cmp(m) > 0
	}
	return fmt.Sprint(a) > fmt.Sprint(b)
}

func moment(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		t, err := time.Parse(time.RFC3339, v)
		return t, err == nil
	}
	return time.Time{}, false
}

func number(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	case json.Number:
		return new(big.Rat).SetString(v.String())
	}
	return nil, false
}
