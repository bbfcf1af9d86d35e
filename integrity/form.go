package integrity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
)

// A choice says what of the records counts.
type choice struct {
	Key    []string `param:"key" doc:"The fields that tell records apart; the primary key, where both sides have the same."`
	Fields []string `param:"fields" doc:"The fields that are compared; all others otherwise, which both sides must have."`
	Ignore []string `param:"ignore" doc:"Fields that are not compared, and that only one side may have."`
}

// form is what both views write alike. It refuses sides that have other fields,
// as a field that nobody compares may be the one that differs.
func (c choice) form(v pair[driver.View]) (driver.Form, error) {
	left, right := v.left.Fields(), v.right.Fields()
	key := c.Key
	if len(key) == 0 {
		if key = v.left.Key(); len(key) == 0 || !slices.Equal(key, v.right.Key()) {
			return driver.Form{}, refuse("the sides do not say by which fields their records are told apart", "name them in key")
		}
	}
	fields := c.Fields
	if len(fields) == 0 {
		var err error
		if fields, err = c.common(left, right, key); err != nil {
			return driver.Form{}, err
		}
	}
	var form driver.Form
	for _, list := range []struct {
		names []string
		into  *[]driver.FormField
	}{{key, &form.Key}, {fields, &form.Fields}} {
		for _, name := range list.names {
			l, r := find(left, name), find(right, name)
			if l == nil || r == nil {
				side, has := "left", left
				if l != nil {
					side, has = "right", right
				}
				return form, refuse(fmt.Sprintf("the %s side has no field %s", side, name), "take one of "+strings.Join(names(has), ", "))
			}
			if list.into == &form.Fields && slices.Contains(key, name) {
				continue
			}
			*list.into = append(*list.into, driver.FormField{Name: name, As: common(*l, *r)})
		}
	}
	_, l := v.left.Dialect()
	_, r := v.right.Dialect()
	form.Portable = l != r
	return form, nil
}

// common are the fields of both sides, but for the key.
func (c choice) common(left, right []driver.ViewField, key []string) ([]string, error) {
	var out, only []string
	for _, f := range left {
		switch {
		case slices.Contains(c.Ignore, f.Name) || slices.Contains(key, f.Name):
		case find(right, f.Name) == nil:
			only = append(only, "only left has "+f.Name)
		default:
			out = append(out, f.Name)
		}
	}
	for _, f := range right {
		if find(left, f.Name) == nil && !slices.Contains(c.Ignore, f.Name) {
			only = append(only, "only right has "+f.Name)
		}
	}
	if len(only) > 0 {
		return nil, refuse(strings.Join(only, ", "), "name what is compared in fields, or what is not in ignore")
	}
	return out, nil
}

func refuse(reason, remedy string) error { return &driver.Refusal{Reason: reason, Remedy: remedy} }

func find(fields []driver.ViewField, name string) *driver.ViewField {
	i := slices.IndexFunc(fields, func(f driver.ViewField) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

func names(fields []driver.ViewField) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

// common is the kind as which values of both fields are written alike.
func common(a, b driver.ViewField) driver.FieldKind {
	number := func(k driver.FieldKind) bool {
		return k == driver.WholeNumber || k == driver.DecimalNumber || k == driver.BinaryNumber
	}
	timed := func(k driver.FieldKind) bool { return k == driver.Instant || k == driver.LocalTime }
	switch same := a.Kind == b.Kind; {
	case same && a.Kind == driver.WholeNumber, same && a.Kind == driver.BinaryNumber && a.Type == b.Type:
		return ""
	case number(a.Kind) && number(b.Kind):
		return driver.DecimalNumber // also numeric with numeric: 1.0 is 1
	case same && a.Kind == driver.Instant, same && a.Kind == driver.LocalTime && a.Type == b.Type:
		return ""
	case same && a.Kind == driver.LocalTime:
		return driver.LocalTime
	case timed(a.Kind) && timed(b.Kind):
		return driver.Instant
	case same && a.Kind == driver.Document:
		return driver.Document
	case same:
		return ""
	}
	return driver.Text
}
