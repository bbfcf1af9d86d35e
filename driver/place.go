package driver

import (
	"reflect"

	"github.com/segue-run/segue/runbook"
)

// A Place says where in a connection's system something is, as its kind has it
// written: a table in one, a path in another. A parameter of this type says by
// a tag which parameter names the connection:
//
//	From driver.Via[driver.RecordReader] `param:"from,required"`
//	Read driver.Place                    `param:"read" of:"from"`
//
// What can be written there is what About says of that kind of connection, and
// lint holds it to that. The zero value is a place that was not given.
type Place struct{ params runbook.Params }

// At is a place by its parameters.
func At(params runbook.Params) Place { return Place{params} }

// Given reports whether the runbook says anything of the place.
func (p Place) Given() bool { return len(p.params) > 0 }

// Named is what the runbook says under a key of the place, where that is a text;
// "" else.
func (p Place) Named(key string) string {
	text, _ := p.params[key].(string)
	return text
}

// Placed reads a place as a struct whose fields carry `param` tags, the one that
// About names.
func Placed[P any](p Place) (P, error) {
	return decode[P](p.params, unresolved, nil) // references were resolved before
}

// placesOf describes how places in a kind of connection are written.
func placesOf(about About) map[string]runbook.PlaceKind {
	out := map[string]runbook.PlaceKind{}
	for ability, params := range map[reflect.Type]any{
		reflect.TypeFor[RecordReader](): about.Reads,
		reflect.TypeFor[RecordWriter](): about.Writes,
	} {
		if params == nil {
			continue
		}
		t := reflect.TypeOf(params)
		place := runbook.PlaceKind{Fields: fieldsOf(t)}
		if _, ok := params.(interface{ Validate() error }); ok {
			place.Validate = func(raw runbook.Params) error {
				v := reflect.New(t).Elem()
				if err := decodeInto(v, raw, unresolved, nil); err != nil {
					return err
				}
				return v.Interface().(interface{ Validate() error }).Validate()
			}
		}
		out[abilityOf(ability)] = place
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
