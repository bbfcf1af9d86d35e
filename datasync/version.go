package datasync

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
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

// mark says from where, in which version, a record came.
func mark(from string, version any) string {
	if t, ok := version.(time.Time); ok {
		version = t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s@%v", from, version)
}

// came reports whether a record came from where it would go, and was not changed
// since: whoever changes it gives it another version, and leaves the mark.
func (f *flow) came(in, out driver.Record) bool {
	return f.p.Mark != "" && in[f.p.Mark] == mark(f.p.To.String(), out[f.p.Version])
}
