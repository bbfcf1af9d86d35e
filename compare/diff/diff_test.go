package diff

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/runbook"
)

func differences(t testing.TB, r Rules, legacy, fresh string) []string {
	t.Helper()
	c, err := r.Compile()
	if err != nil {
		t.Fatal(err)
	}
	answer := func(body string) Answer { return Answer{Status: 200, Header: http.Header{}, Body: []byte(body)} }
	var out []string
	for _, d := range c.Differences(c.Legacy(answer(legacy)), c.New(answer(fresh))) {
		out = append(out, fmt.Sprintf("%s %s: %s → %s", d.Path, d.Kind, d.Legacy, d.New))
	}
	return out
}

func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		rules       Rules
		legacy, new string
		want        []string
	}{
		"the same":                          {Rules{}, `{"a":[1,{"b":null}]}`, ` {"a": [1.0, {"b": null}]} `, nil},
		"order of members is none":          {Rules{}, `{"a":1,"b":2}`, `{"b":2,"a":1}`, nil},
		"large numbers are whole":           {Rules{}, `{"n":9007199254740993}`, `{"n":9007199254740992}`, []string{"n value: 9007199254740993 → 9007199254740992"}},
		"a number is what it is":            {Rules{}, `[1e3,-0,0.10,100]`, `[1000,0,1e-1,1E+2]`, nil},
		"a power that fills no memory":      {Rules{}, `[1e999999999]`, `[1e999999998]`, []string{"[0] value: 1e999999999 → 1e999999998"}},
		"a power beyond all":                {Rules{}, `[1e99999999999999999999]`, `[1e99999999999999999999]`, nil},
		"within a number":                   {Rules{Within: map[string]string{"[*]": "0.01"}}, `[1.001, 1]`, `[1.009, 1.02]`, []string{"[1] rounding: 1 → 1.02"}},
		"within a share":                    {Rules{Within: map[string]string{"**": "1%"}}, `{"a":100,"b":-100}`, `{"a":101,"b":-102}`, []string{"b value: -100 → -102"}},
		"within a time":                     {Rules{Within: map[string]string{"t": "5s"}}, `{"t":"2026-01-29T10:00:00Z"}`, `{"t":"2026-01-29T12:00:05+02:00"}`, nil},
		"no further":                        {Rules{Within: map[string]string{"t": "5s"}}, `{"t":"2026-01-29T10:00:00Z"}`, `{"t":"2026-01-29 10:00:05.001"}`, []string{`t time: "2026-01-29T10:00:00Z" → "2026-01-29 10:00:05.001"`}},
		"a moment in another zone":          {Rules{}, `["2026-01-29T10:00:00"]`, `["2026-01-29T11:30:00+0130"]`, nil},
		"the zone counts, if asked":         {Rules{StrictTimes: true}, `["2026-01-29T10:00:00Z"]`, `["2026-01-29T11:00:00+01:00"]`, []string{`[0] zone: "2026-01-29T10:00:00Z" → "2026-01-29T11:00:00+01:00"`}},
		"null is not missing":               {Rules{}, `{"a":null}`, `{}`, []string{"a missing: null → "}},
		"null is missing, if said":          {Rules{NullIsMissing: true}, `{"a":null}`, `{"b":null}`, nil},
		"types":                             {Rules{}, `[1,"1",true,null,[],{}]`, `["1",true,null,[],{},2]`, []string{`[0] type: 1 → "1"`, `[1] type: "1" → true`, "[2] type: true → null", "[3] type: null → []", "[4] type: [] → {}", "[5] type: {} → 2"}},
		"ignored":                           {Rules{Ignore: []string{"**.at", `m["a.b"]`, "x.*.y", "list[*]"}}, `{"at":1,"l":[{"at":1}],"m":{"a.b":1},"x":{"q":{"y":1}},"list":[1,2]}`, `{"l":[{"at":2}],"m":{},"x":{"q":{}},"list":[]}`, nil},
		"ignored wholly":                    {Rules{Ignore: []string{"."}}, `{"a":1}`, `<html>`, nil},
		"by key, whichever there is":        {Rules{Match: map[string]string{".": "id|ip"}}, `[{"id":1,"v":1},{"ip":"x","v":2}]`, `[{"id":1.0,"v":1},{"id":null,"ip":"x","v":3}]`, []string{"[ip=x].v value: 2 → 3", "[ip=x].id extra:  → null"}},
		"one key twice":                     {Rules{Match: map[string]string{".": "id"}}, `[{"id":1,"v":1},{"id":1,"v":2}]`, `[{"id":1,"v":1}]`, []string{`[id=1#2] missing: {"id":1,"v":2} → `}},
		"another order":                     {Rules{}, `[1,2,[3]]`, `[[3],2,1]`, []string{". order: [1,2,[3]] → [[3],2,1]"}},
		"any order":                         {Rules{Unordered: []string{"."}}, `[1,2,2,"2026-01-29T10:00:00Z"]`, `["2026-01-29T11:00:00+01:00",2,1,3]`, []string{"[0] value: 2 → 3"}},
		"renamed":                           {Rules{Rename: map[string]string{"[*].a": "b", "[*].b": "a"}}, `[{"a":1,"b":2}]`, `[{"a":2,"b":1}]`, nil},
		"an old name that is still there":   {Rules{Rename: map[string]string{"a": "b"}}, `{"a":1}`, `{"a":1}`, []string{"b missing: 1 → ", "a extra:  → 1"}},
		"words":                             {Rules{Values: map[string]any{"s": map[string]any{"running": "online"}}}, `{"s":"running","t":"running"}`, `{"s":"online","t":"online"}`, []string{`t value: "running" → "online"`}},
		"brought into shape":                {Rules{LegacyAs: "{robots: ., n: length}", NewAs: ".data"}, `[9007199254740993]`, `{"data":{"robots":[9007199254740993],"n":1}}`, nil},
		"a program that fails":              {Rules{NewAs: ".data.x"}, `{}`, `{"data":1}`, []string{`body body: {} → the jq program fails: expected an object but got: number (1)`}},
		"a program that gives two":          {Rules{LegacyAs: ".[]"}, `[1,2]`, `1`, []string{"body body: the jq program gives several values → 1"}},
		"no JSON":                           {Rules{}, `hello`, `hallo`, []string{"body body: hello → hallo"}},
		"JSON on one side":                  {Rules{}, `{}`, `<html>`, []string{"body body: {} → <html>"}},
		"names that are data are one field": {Rules{Maps: []string{"by"}, Within: map[string]string{"by.*.v": "1"}}, `{"by":{"r1":{"v":1},"r2":{"v":1}}}`, `{"by":{"r1":{"v":2},"r2":{"v":3}}}`, []string{"by.r2.v value: 1 → 3"}},
		"what looks secret is not shown":    {Rules{}, `{"api_key":"hunter2","o":{"password":"hunter2"}}`, `{"api_key":"hunter3"}`, []string{"api_key value: [redacted] → [redacted]", `o missing: {"password":"[redacted]"} → `}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, differences(t, c.rules, c.legacy, c.new)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestStatusHeadersAndSilence(t *testing.T) {
	c, err := Rules{IgnoreHeaders: []string{"x-system"}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	legacy := Answer{Status: 200, Header: http.Header{"Content-Type": {"Application/JSON"}, "X-System": {"a"}, "Date": {"x"}, "Etag": {"1"}, "Set-Cookie": {"s=hunter2"}}, Body: []byte(`{}`)}
	fresh := Answer{Status: 200, Header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}, "X-System": {"b"}, "Set-Cookie": {"s=hunter3"}, "Vary": {"*"}}, Body: []byte(`{}`)}
	var got []string
	for _, pair := range [][2]Answer{
		{legacy, legacy},
		{legacy, fresh},
		{legacy, {Status: 500, Body: []byte(`{"a":1}`)}},
		{legacy, {Failed: "refused"}},
		{{Failed: "refused"}, {Failed: "reset"}},
	} {
		for _, d := range c.Differences(c.Legacy(pair[0]), c.New(pair[1])) {
			got = append(got, fmt.Sprintf("%s %s: %s → %s", d.Path, d.Kind, d.Legacy, d.New))
		}
	}
	want := []string{
		"header Etag header: 1 → ", "header Set-Cookie header: [redacted] → [redacted]", "header Vary header:  → *",
		"status status: 200 → 500", "answer silence: 200 → refused",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRulesThatCannotBeReadAreNamed(t *testing.T) {
	for param, r := range map[string]Rules{
		"legacy-as": {LegacyAs: "{robots: "},
		"new-as":    {NewAs: "nosuchfunction"},
		"ignore":    {Ignore: []string{"a[0]"}},
		"unordered": {Unordered: []string{"a..b"}},
		"maps":      {Maps: []string{`a["b`}},
		"match":     {Match: map[string]string{"a": "id|"}},
		"within":    {Within: map[string]string{"a": "5 apples"}},
		"values":    {Values: map[string]any{"a": "online"}},
		"rename":    {Rename: map[string]string{"a[*]": "b"}},
	} {
		wrong, ok := errors.AsType[*runbook.FieldError](r.Validate())
		if !ok || wrong.Field != param || wrong.Remedy == "" {
			t.Errorf("%s: %+v", param, wrong)
		}
	}
}

// The programs of a runbook see neither files nor the environment.
func TestAProgramSeesNoEnvironment(t *testing.T) {
	t.Setenv("SEGUE_TEST_SECRET", "hunter2")
	for _, program := range []string{"env.SEGUE_TEST_SECRET", "$ENV.SEGUE_TEST_SECRET"} {
		if got := differences(t, Rules{NewAs: program}, `null`, `{}`); len(got) != 0 {
			t.Errorf("%s gives %v", program, got)
		}
	}
}

func BenchmarkDifferences(b *testing.B) {
	var robots []map[string]any
	for i := range 100 {
		robots = append(robots, map[string]any{"id": fmt.Sprint("r", i), "status": "online", "battery": 51.5, "seen": "2026-01-29T10:00:00Z", "n": json.Number("9007199254740993")})
	}
	raw, err := json.Marshal(robots)
	if err != nil {
		b.Fatal(err)
	}
	c, err := Rules{Match: map[string]string{".": "id"}, Ignore: []string{"**.x"}, Within: map[string]string{"[*].seen": "5s"}}.Compile()
	if err != nil {
		b.Fatal(err)
	}
	a := Answer{Status: 200, Body: []byte(strings.ReplaceAll(string(raw), "10:00:00Z", "10:00:01Z"))}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if d := c.Differences(c.Legacy(Answer{Status: 200, Body: raw}), c.New(a)); len(d) > 0 {
			b.Fatal(d)
		}
	}
}
