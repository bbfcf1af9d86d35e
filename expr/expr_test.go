package expr_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
)

var vars = []string{"rows", "value", "body", "status"}

// world is what the expressions below look at.
func world() map[string]any {
	return map[string]any{
		"rows": []map[string]any{
			{"rmssd": 42.5, "n": int64(1), "gone": nil, "name": "oura", "at": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "ok": true},
			{"rmssd": float32(50), "n": int32(7), "gone": "x", "name": "hrv", "at": time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), "ok": false},
		},
		"value":  int64(99),
		"status": 200,
		"body": map[string]any{
			"status": "ok", "error": nil, "big": json.Number("9007199254740993"), "share": json.Number("0.5"), "text": "5",
			"tags": []any{"a", "b"}, "holes": []any{nil, 1}, "deep": map[string]any{"x": 1, "hole": nil},
		},
	}
}

func TestEval(t *testing.T) {
	const (
		pass    = evidence.Pass
		fail    = evidence.Fail
		unknown = evidence.Unknown
	)
	for _, tc := range []struct {
		text string
		want evidence.Verdict
	}{
		{`rows.size() == 2 && rows[0].rmssd == 42.5`, pass},
		{`rows.size() == 1`, fail},
		{`size(rows) > 0 && rows[0].name == "oura"`, pass},
		{`rows[0].n == 1 && rows[0].n == 1.0 && rows[1].rmssd == 50`, pass},
		{`value < 100`, pass},
		{`value < 98.5`, fail},
		{`value >= 99.0 && value <= 99`, pass},
		{`status in [200, 204]`, pass},
		{`!(status in [500])`, pass},
		{`body.status == 'ok'`, pass},
		{`body.big == 9007199254740993`, pass},
		{`body.big == 9007199254740992`, fail},
		{`body.share * 2 == 1`, pass},
		{`rows.all(r, r.n > 0)`, pass},
		{`rows.exists(r, r.name == "hrv")`, pass},
		{`rows.exists_one(r, r.n == 7)`, pass},
		{`rows.map(r, r.n) == [1, 7]`, pass},
		{`rows.filter(r, r.n > 5).size() == 1`, pass},
		{`body.tags == ["a", "b"] && "a" in body.tags && "status" in body`, pass},
		{`has(body.status) && !has(body.nothing)`, pass},
		{`rows[0].ok`, pass},
		{`rows[1].ok`, fail},
		{`rows[1].at - rows[0].at < duration("2s")`, pass},
		{`body.status.matches("^o.$") && body.status.startsWith("o")`, pass},
		{`value / 200 < 0.5`, pass},
		{`5 / value == 0`, fail}, // exact: plain CEL says 0
		{`value + 0.5 == 99.5 && value - 0.5 < 99 && -value < 0 && value % 2 == 1`, pass},
		{`value == 99 ? true : false`, pass},
		{`true || rows[9].n == 1 || value > 0`, pass}, // what is decided looks no further

		{`rows[9].n == 1`, unknown},
		{`rows[0].nothing == 1`, unknown},
		{`rows[0].nothing == 1 || true`, unknown}, // plain CEL says true
		{`!(rows[0].nothing == 1 && false)`, unknown},
		{`rows[0].gone != "y"`, unknown}, // plain CEL says true
		{`rows[0].gone == "x"`, unknown},
		{`rows[0].gone`, unknown},
		{`!(body.error == "x")`, unknown},
		{`body.holes == [1, 1]`, unknown},
		{`body.holes != [1, 1]`, unknown},
		{`body.deep != {"x": 1, "hole": 2}`, unknown},
		{`!(3 in body.holes)`, unknown},
		{`1 in body.holes`, unknown},
		{`rows.exists(r, r.gone == "x")`, unknown},
		{`rows.all(r, r.gone == "x")`, unknown},
		{`!rows.all(r, r.gone == "x")`, unknown},
		{`body.text == 5`, unknown}, // text is not a number
		{`body.text != 5`, unknown},
		{`body.text < 6`, unknown},
		{`!(status in ["200"])`, unknown},
		{`value / 0 > 1`, unknown},
		{`0.0 / (value - 99) < 1.0`, unknown},
		{`value`, unknown},
		{`body.status`, unknown},
		{`value ? true : true`, unknown},
		{`9223372036854775807 + value > 0`, unknown},
		{`int(body.status) == 1`, unknown},
	} {
		t.Run(tc.text, func(t *testing.T) {
			e, err := expr.Compile(tc.text, vars)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Eval(world())
			if got != tc.want {
				t.Errorf("%s, want %s (%v)", got, tc.want, err)
			}
			if (err != nil) != (got == unknown) {
				t.Errorf("%s comes with error %v", got, err)
			}
			if got == unknown {
				t.Log(err)
			}
		})
	}
}

func TestMissingDataIsUnknownWhateverTheRestSays(t *testing.T) {
	for name, value := range map[string]any{
		"null": nil, "NaN": math.NaN(), "a NaN within": []any{1, map[string]any{"x": math.NaN()}},
		"a null pointer": (*int)(nil), "a channel": make(chan int),
	} {
		for _, text := range []string{`value == 1`, `value != 1`, `!(value > 1)`, `true || value == 1`, `value == 1 || true`, `size(value) == 2 || true`} {
			e, err := expr.Compile(text, vars)
			if err != nil {
				t.Fatal(err)
			}
			for _, data := range []map[string]any{{"value": value}, {}} {
				if got, err := e.Eval(data); got != evidence.Unknown || err == nil {
					t.Errorf("%s on %s: %s, %v", text, name, got, err)
				}
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`row.size() == 1`, `1:1: nothing is called row`},
		{`value <`, `1:8: the expression is wrong: mismatched input '<EOF>' here`},
		{`true`, `1:1: the expression looks at nothing: it uses none of its variables`},
		{`value + 1 == null`, `1:14: null cannot be compared with: what is null is unknown; ask has(x.y), or let the source answer it (select y is null as missing)`},
		{`value > 1 && "a" < 1`, `1:18: < does not work on (string, int)`},
		{`size(rows)`, `1:1: the expression gives int, not true or false`},
		{"value > 1 &&\n  nothing == 1", `2:3: nothing is called nothing`},
		{`value.matches("a{1000}{1000}")`, `1:15: the pattern is wrong: error parsing regexp: invalid nested repetition operator: ` + "`{1000}{1000}`"},
		{strings.Repeat("(", 500) + "value" + strings.Repeat(")", 500), `recursion`},
		{strings.Repeat("value == 1 || ", 500) + "true", `may have 4096`},
	} {
		_, err := expr.Compile(tc.text, vars)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.40s: %v, want %s", tc.text, err, tc.want)
		}
	}
}

func TestHostileExpressionsEnd(t *testing.T) {
	nested := "value"
	for _, v := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		nested = "big.map(" + v + ", " + nested + ")"
	}
	doubled := "['" + strings.Repeat("x", 100) + "']"
	for range 40 {
		doubled += ".map(a, a+a)"
	}
	for _, text := range []string{
		nested + ".size() == 1",
		doubled + ".size() == value",
		"big.map(a, big.map(b, text + text)).size() == 1",
		"big.all(a, big.all(b, rows != big))",
		"big.map(a, text.matches('(x+x+)+y')).size() == 1",
	} {
		e, err := expr.Compile(text, []string{"value", "big", "text", "rows"})
		if err != nil {
			t.Errorf("%.60s: %v", text, err)
			continue
		}
		start := time.Now()
		verdict, err := e.Eval(map[string]any{"value": 1, "big": make([]int, 3000), "rows": make([]int, 3000), "text": strings.Repeat("x", 20_000)})
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.60s took %s", text, took)
		}
		t.Logf("%.60s: %s %v %s", text, verdict, err, time.Since(start))
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := expr.Compile(`rows.size() == 1 && rows[0].rmssd == 42.5`, vars); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	e, err := expr.Compile(`rows.size() == 2 && rows[0].rmssd == 42.5`, vars)
	if err != nil {
		b.Fatal(err)
	}
	data := world()
	for b.Loop() {
		if v, err := e.Eval(data); v != evidence.Pass {
			b.Fatal(v, err)
		}
	}
}
