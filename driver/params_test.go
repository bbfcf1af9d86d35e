package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/runbook"
)

type shared struct {
	Timeout time.Duration `param:"timeout" doc:"How long." default:"5s"`
}

type everything struct {
	Name     string             `param:"name,required" doc:"Its name."`
	Mode     string             `param:"mode" enum:"fast|slow"`
	Count    int                `param:"count"`
	Large    int64              `param:"large"`
	Factor   float64            `param:"factor"`
	On       bool               `param:"flag"`
	Age      time.Duration      `param:"age"`
	Size     runbook.Bytes      `param:"size"`
	Share    runbook.Percent    `param:"share"`
	Words    []string           `param:"words"`
	Ages     []time.Duration    `param:"ages"`
	Labels   map[string]string  `param:"labels"`
	Weights  map[string]float64 `param:"weights"`
	Maybe    *int               `param:"maybe"`
	MaybeAge *time.Duration     `param:"maybe-age"`
	Free     any                `param:"free"`
	Args     []any              `param:"args"`
	Expect   string             `param:"expect,expression" vars:"rows|row"`
	DB       string             `param:"db,required,connection"`
	shared
	Untagged string
}

func given(name string) (string, error) {
	v, ok := map[string]string{"HOST": "db1", "PORT": "5432", "file:/run/pw": "s3cret", "LOOP": "${HOST}"}[name]
	if !ok {
		return "", fmt.Errorf("%s is not set", name)
	}
	return v, nil
}

func TestDecodeFillsEachType(t *testing.T) {
	three, minute := 3, time.Minute
	for name, c := range map[string]struct {
		raw  runbook.Params
		want everything
	}{
		"nothing":                      {nil, everything{}},
		"a string":                     {runbook.Params{"name": "a"}, everything{Name: "a"}},
		"whole numbers":                {runbook.Params{"count": int64(3), "large": int64(1 << 40)}, everything{Count: 3, Large: 1 << 40}},
		"a number":                     {runbook.Params{"factor": 1.5}, everything{Factor: 1.5}},
		"a whole number as a number":   {runbook.Params{"factor": int64(2)}, everything{Factor: 2}},
		"a bool":                       {runbook.Params{"flag": true}, everything{On: true}},
		"units":                        {runbook.Params{"age": time.Hour, "size": runbook.Bytes(5), "share": runbook.Percent(0.1)}, everything{Age: time.Hour, Size: 5, Share: 0.1}},
		"lists":                        {runbook.Params{"words": []any{"a", "b"}, "ages": []any{time.Second}}, everything{Words: []string{"a", "b"}, Ages: []time.Duration{time.Second}}},
		"an empty list":                {runbook.Params{"words": []any{}}, everything{Words: []string{}}},
		"maps":                         {runbook.Params{"labels": map[string]any{"a": "b"}, "weights": map[string]any{"x": int64(1)}}, everything{Labels: map[string]string{"a": "b"}, Weights: map[string]float64{"x": 1}}},
		"what may be absent":           {runbook.Params{"maybe": int64(3), "maybe-age": time.Minute}, everything{Maybe: &three, MaybeAge: &minute}},
		"anything":                     {runbook.Params{"free": []any{int64(1), "x"}, "args": []any{"a", nil, 1.5}}, everything{Free: []any{int64(1), "x"}, Args: []any{"a", nil, 1.5}}},
		"an embedded struct":           {runbook.Params{"timeout": time.Second}, everything{shared: shared{time.Second}}},
		"a reference":                  {runbook.Params{"name": "${HOST}"}, everything{Name: "db1"}},
		"references within a string":   {runbook.Params{"name": "pg://${HOST}:${PORT}/db"}, everything{Name: "pg://db1:5432/db"}},
		"a file":                       {runbook.Params{"name": "${file:/run/pw}"}, everything{Name: "s3cret"}},
		"references in lists, maps":    {runbook.Params{"words": []any{"${HOST}"}, "labels": map[string]any{"h": "${PORT}"}}, everything{Words: []string{"db1"}, Labels: map[string]string{"h": "5432"}}},
		"a reference is resolved once": {runbook.Params{"name": "${LOOP}"}, everything{Name: "${HOST}"}},
		"what is no reference":         {runbook.Params{"name": "$HOST ${host} ${} $${"}, everything{Name: "$HOST ${host} ${} $${"}},
		"what nobody asked for":        {runbook.Params{"other": "x"}, everything{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode[everything](c.raw, given, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(everything{})); d != "" {
				t.Errorf("decoded otherwise (-want +got):\n%s", d)
			}
		})
	}
}

func TestDecodeDoesNotChangeWhatItIsGiven(t *testing.T) {
	raw := runbook.Params{"words": []any{"${HOST}"}, "labels": map[string]any{"h": "${PORT}"}}
	if _, err := decode[everything](raw, given, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(runbook.Params{"words": []any{"${HOST}"}, "labels": map[string]any{"h": "${PORT}"}}, raw); d != "" {
		t.Errorf("the parameters changed:\n%s", d)
	}
}

func TestDecodeNamesTheParameterThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		raw  runbook.Params
		want string
	}{
		"a name that is not set":        {runbook.Params{"name": "${NOPE}"}, "parameter name: NOPE is not set"},
		"one in a list":                 {runbook.Params{"words": []any{"${NOPE}"}}, "parameter words: NOPE is not set"},
		"one in a map":                  {runbook.Params{"labels": map[string]any{"a": "${NOPE}"}}, "parameter labels: NOPE is not set"},
		"a string for a number":         {runbook.Params{"count": "3"}, "parameter count: a string cannot be a int"},
		"a number for a string":         {runbook.Params{"name": int64(3)}, "parameter name: a int64 cannot be a string"},
		"a fraction for a whole one":    {runbook.Params{"count": 1.5}, "parameter count: a float64 cannot be a int"},
		"a number without its unit":     {runbook.Params{"age": int64(5)}, "parameter age: a int64 cannot be a time.Duration"},
		"a share without its sign":      {runbook.Params{"share": 0.1}, "parameter share: a float64 cannot be a runbook.Percent"},
		"a list for a string":           {runbook.Params{"name": []any{"a"}}, "parameter name: a []interface {} cannot be a string"},
		"a wrong element":               {runbook.Params{"words": []any{int64(1)}}, "parameter words: a int64 cannot be a string"},
		"a wrong value of a map":        {runbook.Params{"labels": map[string]any{"a": true}}, "parameter labels: a bool cannot be a string"},
		"one in an embedded struct":     {runbook.Params{"timeout": "5s"}, "parameter timeout: a string cannot be a time.Duration"},
		"a bool for what may be absent": {runbook.Params{"maybe": true}, "parameter maybe: a bool cannot be a int"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode[everything](c.raw, given, nil)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFieldsDescribeParameters(t *testing.T) {
	want := map[string]runbook.Field{
		"name":      {Name: "name", Doc: "Its name.", Type: runbook.String, Required: true},
		"mode":      {Name: "mode", Type: runbook.String, Enum: []string{"fast", "slow"}},
		"count":     {Name: "count", Type: runbook.Int},
		"large":     {Name: "large", Type: runbook.Int},
		"factor":    {Name: "factor", Type: runbook.Number},
		"flag":      {Name: "flag", Type: runbook.Bool},
		"age":       {Name: "age", Type: runbook.Duration},
		"size":      {Name: "size", Type: runbook.Size},
		"share":     {Name: "share", Type: runbook.Percentage},
		"words":     {Name: "words", Type: runbook.List, Elem: runbook.String},
		"ages":      {Name: "ages", Type: runbook.List, Elem: runbook.Duration},
		"labels":    {Name: "labels", Type: runbook.Map, Elem: runbook.String},
		"weights":   {Name: "weights", Type: runbook.Map, Elem: runbook.Number},
		"maybe":     {Name: "maybe", Type: runbook.Int},
		"maybe-age": {Name: "maybe-age", Type: runbook.Duration},
		"free":      {Name: "free", Type: runbook.Any},
		"args":      {Name: "args", Type: runbook.List, Elem: runbook.Any},
		"expect":    {Name: "expect", Type: runbook.Expression, Vars: []string{"rows", "row"}},
		"db":        {Name: "db", Type: runbook.ConnRef, Required: true},
		"timeout":   {Name: "timeout", Doc: "How long.", Type: runbook.Duration, Default: "5s"},
	}
	kind := kindOf[everything](About{Name: "x"})
	if len(kind.Fields) != len(want) {
		t.Errorf("%d fields, want %d", len(kind.Fields), len(want))
	}
	for _, f := range kind.Fields {
		if d := cmp.Diff(want[f.Name], f); d != "" {
			t.Errorf("%s (-want +got):\n%s", f.Name, d)
		}
	}
	if kind.Validate != nil {
		t.Error("parameters without Validate have one")
	}
}

type picky struct {
	URL string `param:"url"`
}

func (p picky) Validate() error {
	if p.URL == "" {
		return &runbook.FieldError{Field: "url", Problem: "is empty"}
	}
	return nil
}

func TestValidateNeedsNoEnvironment(t *testing.T) {
	kind := kindOf[picky](About{Name: "x"})
	if err := kind.Validate(runbook.Params{"url": "${NOT_SET}"}); err != nil {
		t.Errorf("with a reference: %v", err)
	}
	if _, ok := errors.AsType[*runbook.FieldError](kind.Validate(nil)); !ok {
		t.Error("its own error does not come through")
	}
	if err := kind.Validate(runbook.Params{"url": int64(1)}); err == nil || !strings.Contains(err.Error(), "parameter url") {
		t.Errorf("of a wrong type: %v", err)
	}
}

func TestAParameterOfNoKnownTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a channel passes as a parameter")
		}
	}()
	Checks(About{Name: "x"}, func(context.Context, Conn, struct {
		C chan int `param:"c"`
	},
	) (Check, error) {
		return nil, nil
	})
}
