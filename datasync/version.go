package datasync

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"strings"
	"time"
)

// newer reports whether version a comes after b: as numbers, as times, or as
// texts.
func newer(a, b any) bool {
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return ok && x.After(y)
	}
	x, isNumber := number(a)
	if y, ok := number(b); isNumber && ok {
		return x.Cmp(y) > 0
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) > 0
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

func keys[V any](m map[int]V) iter.Seq[int] {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
