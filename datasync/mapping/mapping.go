package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
)

// All, among the fields to copy, stands for each field that is not mapped.
const All = "*"

// A Mapping makes a record of another. The zero value copies nothing.
type Mapping struct {
	copied []string
	fields []field
}

// field is one of the records that are made.
type field struct {
	name      string
	from      []term // alternatives, in order
	required  bool
	otherwise any // the default; nil: none
}

// Compile reads a declaration: the fields to take over as they are, and the
// others by their names, as plain YAML data. Its errors are *Error.
func Compile(copied []string, declared map[string]any) (*Mapping, error) {
	m := &Mapping{copied: copied}
	for i, name := range copied {
		if _, both := declared[name]; both || slices.Contains(copied[:i], name) {
			return nil, &Error{Field: name, Problem: "it is given twice"}
		}
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		f, err := compileField(declared[name])
		if err != nil {
			wrong = append(wrong, &Error{Field: name, Problem: err.Error()})
			continue
		}
		f.name = name
		m.fields = append(m.fields, f)
	}
	return m, errors.Join(wrong...)
}

// An Error says what is wrong with the declaration of a field.
type Error struct{ Field, Problem string }

func (e *Error) Error() string { return e.Field + ": " + e.Problem }

// Fields are all that the records that are made may have; nil where that depends
// on what is mapped.
func (m *Mapping) Fields() []string {
	if slices.Contains(m.copied, All) {
		return nil
	}
	out := slices.Clone(m.copied)
	for _, f := range m.fields {
		out = append(out, f.name)
	}
	return out
}

// Plain gives, of a mapping that takes every value as it is, each field that is
// read with the name that it gets; none where all are taken over by their names.
// ok is false where values are looked at.
func (m *Mapping) Plain() (pairs [][2]string, ok bool) {
	if slices.Contains(m.copied, All) {
		return nil, len(m.fields) == 0 && len(m.copied) == 1
	}
	for _, name := range m.copied {
		pairs = append(pairs, [2]string{name, name})
	}
	for _, f := range m.fields {
		t := f.from[0]
		if len(f.from) > 1 || t.from == "" || t.values != nil || t.lower || t.as.name != "" || f.otherwise != nil || strings.Contains(t.from, ".") {
			return nil, false
		}
		pairs = append(pairs, [2]string{t.from, f.name})
	}
	return pairs, true
}

// Only is the mapping of some fields alone.
func (m *Mapping) Only(names ...string) *Mapping {
	out := &Mapping{}
	for _, name := range names {
		i := slices.IndexFunc(m.fields, func(f field) bool { return f.name == name })
		if i >= 0 {
			out.fields = append(out.fields, m.fields[i])
		} else {
			out.copied = append(out.copied, name)
		}
	}
	return out
}

// Require makes fields required: those without which a record is none.
func (m *Mapping) Require(names ...string) {
	for i := range m.fields {
		if slices.Contains(names, m.fields[i].name) {
			m.fields[i].required = true
		}
	}
}

// Apply makes a record of another. What cannot be mapped is an error that is a
// *driver.BadRecord.
func (m *Mapping) Apply(in driver.Record) (driver.Record, *driver.BadRecord) {
	out := make(driver.Record, len(m.fields)+len(m.copied))
	for _, name := range m.copied {
		if name != All {
			out[name] = in[name]
			continue
		}
		maps.Copy(out, in)
	}
	for _, f := range m.fields {
		v, err := f.value(in)
		if err != nil {
			return nil, &driver.BadRecord{Record: in, Field: f.name, Reason: err.Error()}
		}
		if v == nil {
			delete(out, f.name)
			continue
		}
		out[f.name] = v
	}
	return out, nil
}

func (f field) value(in driver.Record) (any, error) {
	var last any
	var why string
	for _, t := range f.from {
		v, err := t.value(in)
		var none *noneError
		switch {
		case errors.As(err, &none):
			why = none.why
			continue
		case err != nil:
			return nil, err
		case v == nil:
			continue
		case v == "":
			last = v
			continue
		}
		return v, nil
	}
	switch {
	case f.otherwise != nil:
		return f.otherwise, nil
	case why != "":
		return nil, errors.New(why)
	case last == nil && f.required, f.required && last == "":
		return nil, fmt.Errorf("has no value: %s", f.sought())
	}
	return last, nil
}

// sought says where a value was looked for.
func (f field) sought() string {
	var from []string
	for _, t := range f.from {
		from = append(from, t.String())
	}
	return "there is no " + strings.Join(from, ", and no ")
}
