package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// A Term is an expression that gives a value of any kind, as strictly as an Expr
// gives a verdict. It is safe for concurrent use.
type Term struct{ e *Expr }

// ErrAbsent: what the term looks at within a variable is not there.
var ErrAbsent = errors.New("what it looks at is not there")

// CompileTerm is like [Compile] for what gives a value.
func CompileTerm(text string, vars []string) (*Term, error) {
	e, err := compile(text, vars, func(*cel.Type) error { return nil })
	if err != nil {
		return nil, err
	}
	return &Term{e}, nil
}

// Eval gives the value as plain data: nil, bool, int64, uint64, float64, string,
// []byte, time.Time, time.Duration, []any and map[string]any. It fails where an
// Expr would be unknown; with ErrAbsent when a key is not there.
func (t *Term) Eval(vars map[string]any) (any, error) {
	// Its cost is bounded; a clock for each of a million records would cost more.
	out, err := t.e.eval(context.Background(), vars)
	if err != nil {
		if strings.HasPrefix(err.Error(), "no such key") {
			return nil, fmt.Errorf("%w (%w)", ErrAbsent, err)
		}
		return nil, err
	}
	return native(out)
}

func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool, types.Int, types.Uint, types.Double, types.String, types.Bytes, types.Timestamp, types.Duration:
		return v.Value(), nil
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			e, err := native(it.Next())
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			name, ok := key.(types.String)
			if !ok {
				return nil, fmt.Errorf("a key is %s, not text", kindName(key))
			}
			e, err := native(v.Get(key))
			if err != nil {
				return nil, err
			}
			out[string(name)] = e
		}
		return out, nil
	}
	return nil, fmt.Errorf("the expression gives %s", kindName(v))
}
