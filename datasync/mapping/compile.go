package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/expr"
)

// compileField reads what is declared of a field: the name of another, one way
// to come by a value, or a list of these.
func compileField(declared any) (field, error) {
	list, several := declared.([]any)
	if !several {
		list = []any{declared}
	}
	if len(list) == 0 {
		return field{}, errors.New("the list is empty: say where its value comes from")
	}
	var f field
	for i, d := range list {
		t, err := f.term(d)
		if err != nil {
			if several {
				err = fmt.Errorf("alternative %d: %w", i+1, err)
			}
			return f, err
		}
		f.from = append(f.from, t)
	}
	return f, nil
}

// term reads one alternative. What holds for the field may stand in any.
func (f *field) term(declared any) (term, error) {
	switch d := declared.(type) {
	case string:
		if d == "" {
			return term{}, errors.New("it names no field")
		}
		return term{from: d}, nil
	case map[string]any:
		t, err := compileTerm(d)
		if err != nil {
			return t, err
		}
		if v, ok := d["default"]; ok {
			if f.otherwise, err = t.as.convert(v); err != nil {
				return t, fmt.Errorf("default: %w", err)
			}
		}
		if required, ok := d["required"].(bool); ok {
			f.required = f.required || required
		}
		return t, nil
	}
	return term{}, fmt.Errorf("%s is no way to come by a value: write the name of a field, or {from: …}, {expr: …} or {value: …}", show(declared))
}

// keys are what an alternative may say, and whether a value of a kind fits.
var keys = map[string]func(any) bool{
	"from": is[string], "expr": is[string], "value": func(v any) bool { return v != nil },
	"as": is[string], "zone": is[string], "unit": is[string], "lower": is[bool], "required": is[bool],
	"values": is[map[string]any], "default": func(v any) bool { return v != nil },
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

func compileTerm(d map[string]any) (term, error) {
	var t term
	for _, key := range slices.Sorted(maps.Keys(d)) {
		fits, known := keys[key]
		if !known {
			return t, fmt.Errorf("there is no key %s: there are %s", key, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		}
		if !fits(d[key]) {
			return t, fmt.Errorf("%s cannot be %s", key, show(d[key]))
		}
	}
	t.from, _ = d["from"].(string)
	t.text, _ = d["expr"].(string)
	t.constant = d["value"]
	t.lower, _ = d["lower"].(bool)
	t.values, _ = d["values"].(map[string]any)
	given := 0
	for _, key := range []string{"from", "expr", "value"} {
		if v, ok := d[key]; ok && v != "" {
			given++
		}
	}
	if given != 1 {
		return t, fmt.Errorf("it says %d times where its value comes from: give one of from, expr and value", given)
	}
	var err error
	if t.text != "" {
		if t.expr, err = expr.CompileTerm(t.text, vars); err != nil {
			return t, fmt.Errorf("expr: %w", err)
		}
	}
	as, _ := d["as"].(string)
	zone, _ := d["zone"].(string)
	unit, _ := d["unit"].(string)
	if t.as, err = kindOf(as, zone, unit); err != nil {
		return t, err
	}
	if t.constant != nil { // it is tried now, not with the first record
		if _, err := t.as.convert(t.constant); err != nil {
			return t, fmt.Errorf("value: %w", err)
		}
	}
	for word, v := range t.values {
		if v == nil {
			return t, fmt.Errorf("values: %s becomes nothing", word)
		}
		if _, err := t.as.convert(v); err != nil {
			return t, fmt.Errorf("values: %s: %w", word, err)
		}
	}
	return t, nil
}
