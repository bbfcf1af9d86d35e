package driver

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

// Env resolves a reference in a parameter: a name of the environment
// (NATS_URL) or a file ("file:/run/secrets/pw"). It remembers what it gave
// out, so that a redactor can keep it from every log, journal and report.
type Env func(reference string) (string, error)

// kindOf derives a kind from a struct of parameters. A field's tag is
//
//	`param:"name[,required][,connection|check|expression|percentage|…]" doc:"…" enum:"a|b" default:"30s" vars:"rows|now" of:"from"`
//
// Types follow from the Go type: string, int, float64, bool, time.Duration,
// runbook.Bytes, runbook.Percent, slices and maps of these, any; Via[T] names a
// connection whose kind provides T, a slice of them names several, and a Place is in the system of the one
// that the parameter `of` names. A pointer is
// a parameter that may be absent: an action owns only fields that are given.
// An embedded struct's fields are the struct's own. P may have methods Validate() error;
// of a check, Takes() time.Duration: how long one answer takes; of background work,
// Drains() bool, of any action Routes() bool and Against(P) error (see runbook.Kind); and of a connection that
// tells people something, Reaches(to []string) error.
func kindOf[P any](about About) runbook.Kind {
	t := reflect.TypeFor[P]()
	kind := runbook.Kind{
		Name: about.Name, Doc: about.Doc, On: about.On, Fields: fieldsOf(t),
		Background: about.Background, Resumable: about.Resumable, Irreversible: about.Irreversible, Approved: about.Approved,
		Health: about.Health, Address: about.Address,
	}
	if _, ok := any(*new(P)).(interface{ Validate() error }); ok {
		kind.Validate = func(raw runbook.Params) error {
			p, err := decode[P](raw, unresolved, nil)
			if err != nil {
				return err
			}
			return any(p).(interface{ Validate() error }).Validate()
		}
	}
	if _, ok := any(*new(P)).(interface{ Takes() time.Duration }); ok {
		kind.Takes = func(raw runbook.Params) time.Duration {
			p, err := decode[P](raw, unresolved, nil)
			if err != nil {
				return 0
			}
			return any(p).(interface{ Takes() time.Duration }).Takes()
		}
	}
	if _, ok := any(*new(P)).(interface{ Drains() bool }); ok {
		kind.Drains = func(raw runbook.Params) bool {
			p, err := decode[P](raw, unresolved, nil)
			return err == nil && any(p).(interface{ Drains() bool }).Drains()
		}
	}
	if _, ok := any(*new(P)).(interface{ Routes() bool }); ok {
		kind.Routes = func(raw runbook.Params) bool {
			p, err := decode[P](raw, unresolved, nil)
			return err == nil && any(p).(interface{ Routes() bool }).Routes()
		}
	}
	if _, ok := any(*new(P)).(interface{ Against(P) error }); ok {
		kind.Against = func(later, earlier runbook.Params) error {
			a, err := decode[P](later, unresolved, nil)
			b, err2 := decode[P](earlier, unresolved, nil)
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			return any(a).(interface{ Against(P) error }).Against(b)
		}
	}
	if _, ok := any(*new(P)).(interface{ Reaches([]string) error }); ok {
		kind.Reaches = func(raw runbook.Params, to []string) error {
			p, err := decode[P](raw, unresolved, nil)
			if err != nil {
				return err
			}
			return any(p).(interface{ Reaches([]string) error }).Reaches(to)
		}
	}
	return kind
}

// unresolved is an Env that leaves references as they are, while nothing is opened.
func unresolved(reference string) (string, error) { return "${" + reference + "}", nil }

func fieldsOf(t reflect.Type) []runbook.Field {
	var out []runbook.Field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			out = append(out, fieldsOf(f.Type)...)
			continue
		}
		tag, ok := f.Tag.Lookup("param")
		if !ok {
			continue
		}
		parts := strings.Split(tag, ",")
		field := runbook.Field{Name: parts[0], Doc: f.Tag.Get("doc"), Default: f.Tag.Get("default"), Of: f.Tag.Get("of")}
		if v, ok := reflect.New(f.Type).Interface().(via); ok {
			field.Type, field.Needs = runbook.ConnRef, abilityOf(v.needs())
		} else if v, ok := viaList(f.Type); ok {
			field.Type, field.Elem, field.Needs = runbook.List, runbook.ConnRef, abilityOf(v.needs())
		} else {
			field.Type, field.Elem = typeOf(f.Type)
		}
		for _, opt := range parts[1:] {
			if opt == "required" {
				field.Required = true
			} else {
				field.Type = runbook.Type(opt)
			}
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			field.Enum = strings.Split(enum, "|")
		}
		if vars := f.Tag.Get("vars"); vars != "" {
			field.Vars = strings.Split(vars, "|")
		}
		out = append(out, field)
	}
	return out
}

// viaList reports whether a parameter is a list of names of connections.
func viaList(t reflect.Type) (elem via, ok bool) {
	if t.Kind() != reflect.Slice {
		return nil, false
	}
	elem, ok = reflect.New(t.Elem()).Interface().(via)
	return elem, ok
}

// bindAll binds a list of connections.
func bindAll(list reflect.Value, name string, value any, conns Conns) error {
	names, ok := value.([]any)
	if !ok {
		return fmt.Errorf("parameter %s: a %T is no list of connections", name, value)
	}
	list.Set(reflect.MakeSlice(list.Type(), len(names), len(names)))
	for i, n := range names {
		conn, ok := n.(string)
		if !ok {
			return fmt.Errorf("parameter %s: a %T is no name of a connection", name, n)
		}
		list.Index(i).Addr().Interface().(via).bind(conn, conns)
	}
	return nil
}

var namedTypes = map[reflect.Type]runbook.Type{
	reflect.TypeFor[time.Duration]():   runbook.Duration,
	reflect.TypeFor[runbook.Bytes]():   runbook.Size,
	reflect.TypeFor[runbook.Percent](): runbook.Percentage,
	reflect.TypeFor[Place]():           runbook.Place,
	reflect.TypeFor[any]():             runbook.Any,
}

func typeOf(t reflect.Type) (typ, elem runbook.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if named, ok := namedTypes[t]; ok {
		return named, ""
	}
	switch t.Kind() {
	case reflect.String:
		return runbook.String, ""
	case reflect.Int, reflect.Int64:
		return runbook.Int, ""
	case reflect.Float64:
		return runbook.Number, ""
	case reflect.Bool:
		return runbook.Bool, ""
	case reflect.Slice:
		elem, _ = typeOf(t.Elem())
		return runbook.List, elem
	case reflect.Map:
		elem, _ = typeOf(t.Elem())
		return runbook.Map, elem
	}
	panic("driver: a parameter cannot be a " + t.String())
}

// decode fills a P from parameters and resolves ${NAME} references. What names
// a connection opens it through conns, later; conns may be nil where nothing is
// opened.
func decode[P any](raw runbook.Params, env Env, conns Conns) (P, error) {
	var p P
	err := decodeInto(reflect.ValueOf(&p).Elem(), raw, env, conns)
	if told, ok := any(&p).(interface{ AsWritten(runbook.Params) }); ok {
		told.AsWritten(raw) // with its references: what is one is secret
	}
	return p, err
}

func decodeInto(v reflect.Value, raw runbook.Params, env Env, conns Conns) error {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			if err := decodeInto(v.Field(i), raw, env, conns); err != nil {
				return err
			}
			continue
		}
		tag, ok := f.Tag.Lookup("param")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(tag, ",")
		value, ok := raw[name]
		if !ok {
			continue
		}
		if ref, ok := v.Field(i).Addr().Interface().(via); ok {
			conn, ok := value.(string)
			if !ok {
				return fmt.Errorf("parameter %s: a %T is no name of a connection", name, value)
			}
			ref.bind(conn, conns)
			continue
		}
		if _, ok := viaList(f.Type); ok {
			if err := bindAll(v.Field(i), name, value, conns); err != nil {
				return err
			}
			continue
		}
		value, err := resolve(value, env)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		if place, ok := v.Field(i).Addr().Interface().(*Place); ok {
			if place.params, ok = value.(runbook.Params); !ok {
				return fmt.Errorf("parameter %s: a %T is no place", name, value)
			}
			continue
		}
		if err := assign(v.Field(i), value); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return nil
}

var reference = regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]*|file:[^}]+)\}`)

// References lists what the ${…} in parameters refer to.
func References(params runbook.Params) []string {
	var refs []string
	_, _ = resolve(map[string]any(params), func(ref string) (string, error) {
		refs = append(refs, ref)
		return "", nil
	})
	return refs
}

func resolve(value any, env Env) (any, error) {
	switch value := value.(type) {
	case string:
		var failed error
		out := reference.ReplaceAllStringFunc(value, func(m string) string {
			s, err := env(m[2 : len(m)-1])
			if err != nil && failed == nil {
				failed = err
			}
			return s
		})
		return out, failed
	case []any:
		out := make([]any, len(value))
		for i, e := range value {
			r, err := resolve(e, env)
			if err != nil {
				return nil, err
			}
			out[i] = r
		}
		return out, nil
	case runbook.Params: // of a place
		out, err := resolve(map[string]any(value), env)
		if err != nil {
			return nil, err
		}
		return runbook.Params(out.(map[string]any)), nil
	case map[string]any:
		out := make(map[string]any, len(value))
		for k, e := range value {
			r, err := resolve(e, env)
			if err != nil {
				return nil, err
			}
			out[k] = r
		}
		return out, nil
	}
	return value, nil
}

func assign(dst reflect.Value, value any) error {
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	src := reflect.ValueOf(value)
	switch {
	case !src.IsValid():
		return nil
	case src.Type().AssignableTo(dst.Type()):
		dst.Set(src)
		return nil
	case dst.Kind() == reflect.Slice && src.Kind() == reflect.Slice:
		out := reflect.MakeSlice(dst.Type(), src.Len(), src.Len())
		for i := range src.Len() {
			if err := assign(out.Index(i), src.Index(i).Interface()); err != nil {
				return err
			}
		}
		dst.Set(out)
		return nil
	case dst.Kind() == reflect.Map && src.Kind() == reflect.Map:
		out := reflect.MakeMapWithSize(dst.Type(), src.Len())
		for it := src.MapRange(); it.Next(); {
			e := reflect.New(dst.Type().Elem()).Elem()
			if err := assign(e, it.Value().Interface()); err != nil {
				return err
			}
			out.SetMapIndex(it.Key(), e)
		}
		dst.Set(out)
		return nil
	case namedTypes[dst.Type()] != "": // 5 is no duration, and no percentage
	case src.CanConvert(dst.Type()) && (src.Kind() == dst.Kind() || src.CanInt() && (dst.CanInt() || dst.CanFloat())):
		dst.Set(src.Convert(dst.Type()))
		return nil
	}
	return fmt.Errorf("a %T cannot be a %s", value, dst.Type())
}
