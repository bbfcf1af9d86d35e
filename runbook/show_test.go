package runbook_test

import (
	"fmt"
	"reflect"
	"time"

	"github.com/segue-run/segue/runbook"
)

// plainOf turns a value into what JSON can write, with durations, sizes and
// percentages as text and without functions and positions.
func plainOf(v any) any { return plainValue(reflect.ValueOf(v)) }

func plainValue(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		if x == 0 {
			return ""
		}
		return runbook.FormatDuration(x)
	case runbook.Bytes:
		return fmt.Sprintf("%d bytes", x)
	case runbook.Percent:
		return fmt.Sprintf("%v%%", float64(x))
	case runbook.Pos:
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plainValue(v.Elem())
	case reflect.Func:
		return nil
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch e := plainValue0(v, i); {
			case !f.IsExported():
			case f.Anonymous:
				if m, ok := e.(map[string]any); ok {
					for k, x := range m {
						out[k] = x
					}
				}
			default:
				out[f.Name] = e
			}
		}
		if name, ok := out["Name"]; ok && v.Type() == reflect.TypeFor[runbook.Kind]() {
			return name
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plainValue(v.Index(i))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = plainValue(it.Value())
		}
		return out
	}
	return v.Interface()
}

func plainValue0(v reflect.Value, i int) any {
	if !v.Type().Field(i).IsExported() {
		return nil
	}
	return plainValue(v.Field(i))
}
