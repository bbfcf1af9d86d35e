package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
)

type fields = map[string]any

func TestWhatBecomesOfAField(t *testing.T) {
	in := driver.Record{
		"name": "Robo", "empty": "", "null": nil, "port": json.Number("22"), "big": json.Number("9007199254740993"), "price": json.Number("1.50"),
		"seen": "2025-01-29T10:00:00", "zoned": "2025-01-29 10:00:00.5+02:00", "unix": json.Number("1738144800"), "ms": json.Number("1738144800250"),
		"on": "yes", "site": map[string]any{"city": "Bern"}, "a.b": "dotted", "list": `["x", 1]`,
	}
	at := time.Date(2025, 1, 29, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		declared any
		want     any
		bad      string
	}{
		"a field":                        {"name", "Robo", ""},
		"a path":                         {"site.city", "Bern", ""},
		"a name with a dot":              {"a.b", "dotted", ""},
		"nothing":                        {"none", nil, ""},
		"the first that has a value":     {[]any{"none", "null", "empty", "name"}, "Robo", ""},
		"an empty text if there is none": {[]any{"none", "empty"}, "", ""},
		"a default for what is empty":    {fields{"from": "empty", "default": "x"}, "x", ""},
		"a constant":                     {fields{"value": int64(7)}, int64(7), ""},
		"required and not there":         {fields{"from": "none", "required": true}, nil, "has no value: there is no none"},
		"required and empty":             {fields{"from": "empty", "required": true}, nil, "has no value"},
		"values":                         {fields{"from": "name", "values": fields{"Robo": "r"}}, "r", ""},
		"values, of lower case":          {fields{"from": "name", "lower": true, "values": fields{"robo": "r"}}, "r", ""},
		"values of a number":             {fields{"from": "port", "values": fields{"22": "ssh"}}, "ssh", ""},
		"none of the values":             {fields{"from": "name", "values": fields{"x": "r"}}, nil, `name is "Robo", which is none of x`},
		"none of the values, and then":   {[]any{fields{"from": "name", "values": fields{"x": "r"}}, "port"}, json.Number("22"), ""},
		"none of the values, by default": {fields{"from": "name", "values": fields{"x": "r"}, "default": "d"}, "d", ""},
		"an int":                         {fields{"from": "big", "as": "int"}, int64(9007199254740993), ""},
		"no int":                         {fields{"from": "price", "as": "int"}, nil, "is 1.50, which is no int"},
		"what is no int has no default":  {fields{"from": "name", "as": "int", "default": int64(1)}, nil, `is "Robo", which is no int`},
		"a number with all its digits":   {fields{"from": "price", "as": "number"}, json.Number("1.50"), ""},
		"a bool":                         {fields{"from": "on", "as": "bool"}, true, ""},
		"a text of a number":             {fields{"from": "port", "as": "text"}, "22", ""},
		"a time without a zone is UTC":   {fields{"from": "seen", "as": "time"}, at, ""},
		"a time of a zone":               {fields{"from": "seen", "as": "time", "zone": "Europe/Zurich"}, at.Add(-time.Hour), ""},
		"a time with its zone":           {fields{"from": "zoned", "as": "time", "zone": "Asia/Tokyo"}, at.Add(-2*time.Hour + 500*time.Millisecond), ""},
		"a time in seconds":              {fields{"from": "unix", "as": "time"}, at, ""},
		"a time in milliseconds":         {fields{"from": "ms", "as": "time", "unit": "ms"}, at.Add(250 * time.Millisecond), ""},
		"no time":                        {fields{"from": "name", "as": "time"}, nil, "no time"},
		"JSON in a text":                 {fields{"from": "list", "as": "json"}, []any{"x", json.Number("1")}, ""},
		"an expression":                  {fields{"expr": `record.name + "!"`}, "Robo!", ""},
		"an expression on what is not":   {[]any{fields{"expr": `record.none + "!"`}, "name"}, "Robo", ""},
		"an expression on what is null":  {[]any{fields{"expr": `record["null"] + "!"`}, "name"}, "Robo", ""},
		"an expression that fails":       {[]any{fields{"expr": `record.name * 2`}, "name"}, nil, "record.name * 2"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := mapping.Compile(nil, fields{"to": c.declared})
			if err != nil {
				t.Fatal(err)
			}
			got, bad := m.Apply(in)
			switch {
			case c.bad != "" && (bad == nil || bad.Field != "to" || !strings.Contains(bad.Reason, c.bad)):
				t.Errorf("it becomes %v (%+v), want the reason %q", got, bad, c.bad)
			case c.bad == "" && bad != nil:
				t.Errorf("it is bad: %s", bad.Reason)
			case c.bad == "":
				if d := cmp.Diff(c.want, got["to"]); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

func TestADeclarationThatIsWrongIsRefused(t *testing.T) {
	for want, declared := range map[string]any{
		"there is no key form":        fields{"form": "x"},
		"it says 2 times":             fields{"from": "x", "value": "y"},
		"it says 0 times":             fields{"as": "int"},
		"as cannot be integer":        fields{"from": "x", "as": "integer"},
		"there is no Europe/Atlantis": fields{"from": "x", "as": "time", "zone": "Europe/Atlantis"},
		"zone and unit are of times":  fields{"from": "x", "zone": "UTC"},
		"nothing is called recorde":   fields{"expr": "recorde.x"},
		"values: a: is \"b\", which":  fields{"from": "x", "as": "int", "values": fields{"a": "b"}},
		"default: is \"b\", which is": fields{"from": "x", "as": "int", "default": "b"},
		"alternative 2: ":             []any{"x", fields{}},
		"the list is empty":           []any{},
		"7 is no way to come by":      int64(7),
		"lower cannot be \"yes\"":     fields{"from": "x", "lower": "yes"},
	} {
		if _, err := mapping.Compile(nil, fields{"f": declared}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", declared, err, want)
		}
	}
	if _, err := mapping.Compile([]string{"f"}, fields{"f": "x"}); err == nil {
		t.Error("a field that is copied and mapped is taken")
	}
}

func TestSamplesFindWhatIsNotAsExpected(t *testing.T) {
	m, err := mapping.Compile([]string{"n"}, fields{"id": []any{"id", "ip"}, "at": fields{"from": "at", "as": "time"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sample any
		want   string // "" for none
	}{
		"right":              {fields{"given": fields{"ip": "1", "n": 1.5}, "want": fields{"id": "1", "n": json.Number("1.50")}}, ""},
		"a time":             {fields{"given": fields{"at": "2025-01-29"}, "want": fields{"at": "2025-01-29T00:00:00Z"}}, ""},
		"another value":      {fields{"given": fields{"id": "1"}, "want": fields{"id": "2"}}, `id is "1", not "2"`},
		"one too many":       {fields{"given": fields{"id": "1", "n": int64(3)}, "want": fields{"id": "1"}}, "n is 3, not null"},
		"one too few":        {fields{"given": fields{"id": "1"}, "want": fields{"id": "1", "n": int64(3)}}, "n is null, not 3"},
		"refused":            {fields{"given": fields{"at": "now"}, "refuse": "no time"}, ""},
		"refused otherwise":  {fields{"given": fields{"at": "now"}, "refuse": "no int"}, "for another reason"},
		"not refused":        {fields{"given": fields{"id": "1"}, "refuse": "x"}, "it is no bad record"},
		"bad and not so":     {fields{"given": fields{"at": "now"}, "want": fields{}}, "it is a bad record"},
		"without a record":   {fields{"want": fields{}}, "a record under given"},
		"with an odd key":    {fields{"given": fields{}, "wants": fields{}}, "no key wants"},
		"with both of these": {fields{"given": fields{}, "want": fields{}, "refuse": "x"}, "either one under want"},
	} {
		err := m.Try(c.sample)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
