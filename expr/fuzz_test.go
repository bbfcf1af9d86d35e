package expr_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
)

// FuzzExpression: no text panics or hangs, errors point into the text, and no
// expression passes on data that is missing or NaN.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		`rows.size() == 1 && rows[0].rmssd == 42.5`, `value < 100`, `status in [200, 204]`, `!(body.error == "x") || true`,
		`rows.all(r, r.n > 0) ? has(body.status) : rows.exists_one(r, r.name.matches("^h.*$"))`,
		`rows[1].at - rows[0].at < duration("2s")`, `value / 0 > 1`, `{"a": [1, 2u, 3.0, b'x', null]} == body`, `((((value))))`,
		`body.tags.map(t, t + t).filter(t, t != "aa").size() % 2 == 0`, `timestamp("2026-01-01T00:00:00Z") < rows[0].at`, "value >\n 1", `"\u00e9" in body`,
		`type(value) == int`, `dyn(value) != -value`, "é == value",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		e, err := expr.Compile(text, vars)
		if err != nil {
			var errs expr.Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("%T %v", err, err)
			}
			for _, e := range errs {
				if e.Line < 1 || e.Column < 1 || e.Problem == "" {
					t.Errorf("%+v", e)
				}
			}
			return
		}
		if _, err := e.Eval(world()); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		nan := map[string]any{"rows": math.NaN(), "value": math.NaN(), "status": math.NaN(), "body": []any{math.NaN()}}
		for _, data := range []map[string]any{nil, nan} {
			if v, err := e.Eval(data); v != evidence.Unknown || err == nil {
				t.Errorf("%s, %v on %v", v, err, data)
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
