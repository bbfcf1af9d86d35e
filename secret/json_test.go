package secret

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestADocumentStaysOneAndKeepsItsNames(t *testing.T) {
	var r Redactor
	r.Add("2026", "true", "vendor", `aa"bb`)
	for _, c := range []struct{ doc, want string }{
		{`{"at":2026,"b":true,"why":"in 2026"}`, `{"at":2026,"b":true,"why":"in [redacted]"}`},
		{`{"vendor": [ "vendor.x" , {"step":"vendor/one"} ] }`, `{"vendor": [ "[redacted].x" , {"step":"vendor/one"} ] }`},
		{`{"step":{"deep":["vendor"]},"why":"vendor"}` + "\n", `{"step":{"deep":["vendor"]},"why":"[redacted]"}` + "\n"},
		{`{"why":"say aa\"bb"}`, `{"why":"say [redacted]"}`},
		{`"vendor"`, `"[redacted]"`},
		{`[]`, `[]`},
		{`no vendor {`, `no [redacted] {`},
	} {
		if got := string(r.RedactJSON([]byte(c.doc), func(key string) bool { return key == "step" })); got != c.want {
			t.Errorf("%s\n became %s\n    want %s", c.doc, got, c.want)
		}
	}
}

// Whatever is secret, a document stays one, and none of its texts shows it.
func TestNoDocumentIsBroken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Redactor
		secret := rapid.StringMatching(`[0-9a-z":,{}\\-]{4,8}`).Draw(t, "secret")
		r.Add(secret)
		v := map[string]any{
			"text": "x" + secret + rapid.String().Draw(t, "rest"), secret: 1, "number": rapid.Int().Draw(t, "number"),
			"list": []any{nil, true, secret, map[string]any{"deep": secret + secret}},
		}
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal(r.RedactJSON(doc, nil), &back); err != nil {
			t.Fatal(err)
		}
		if len(back) != len(v) || back["list"].([]any)[2] == secret {
			t.Fatalf("%v became %v", v, back)
		}
	})
}
