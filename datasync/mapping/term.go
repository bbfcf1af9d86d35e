package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/expr"
)

// term is one way to come by a value.
type term struct {
	from     string     // a field of the record, with dots into what it holds
	expr     *expr.Term // over record
	text     string     // of the expression
	constant any        // a constant
	lower    bool
	values   map[string]any
	as       kind
}

// vars are the variables of an expression.
var vars = []string{"record"}

// noneError: the value is none of those that are mapped, so that the next
// alternative counts.
type noneError struct{ why string }

func (e *noneError) Error() string { return e.why }

func (t term) String() string {
	switch {
	case t.expr != nil:
		return t.text
	case t.from != "":
		return t.from
	}
	return "constant"
}

// value is nil where there is none.
func (t term) value(in driver.Record) (any, error) {
	v := t.constant
	switch {
	case t.from != "":
		v = lookup(in, t.from)
	case t.expr != nil:
		var err error
		v, err = t.expr.Eval(map[string]any{"record": present(in)})
		if errors.Is(err, expr.ErrAbsent) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.text, err)
		}
	}
	if v == nil {
		return nil, nil
	}
	if text, ok := v.(string); ok && t.lower {
		v = strings.ToLower(strings.TrimSpace(text))
	}
	if t.values != nil {
		if v == "" {
			return v, nil
		}
		to, known := t.values[plainText(v)]
		if !known {
			return nil, &noneError{fmt.Sprintf("%s is %s, which is none of %s", t, show(v), strings.Join(slices.Sorted(maps.Keys(t.values)), ", "))}
		}
		v = to
	}
	return t.as.convert(v)
}

// lookup finds a field by its name, or by a path of names.
func lookup(in driver.Record, path string) any {
	if v, ok := in[path]; ok {
		return v
	}
	first, rest, more := strings.Cut(path, ".")
	if !more {
		return nil
	}
	inner, ok := in[first].(map[string]any)
	if !ok {
		return nil
	}
	return lookup(inner, rest)
}

// present is a record without what is null: to an expression that is not there.
func present(in driver.Record) driver.Record {
	for _, v := range in {
		if v == nil {
			out := maps.Clone(in)
			maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
			return out
		}
	}
	return in
}

// plainText is a value as the keys of values name it.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// show is a value for people, shortened.
func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	if text := []rune(string(raw)); len(text) > 60 {
		return string(text[:60]) + "…"
	}
	return string(raw)
}
