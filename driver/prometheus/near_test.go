package prometheus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

func TestNearComparesWithTheBaseline(t *testing.T) {
	s := server(t)
	path := filepath.Join(t.TempDir(), "b.json")
	at := time.Now().UTC()
	b := book{map[string]measured{
		"hundred": {"near_now", 100, at, "p"}, "zero": {"near_zero", 0, at, "p"}, "was-zero": {"near_now", 0, at, "p"},
		"negative": {"-near_now", -100, at, "p"}, "gone": {"near_gone", 1, at, "p"}, "nan": {"near_nan", 1, at, "p"}, "many": {"near_many", 1, at, "p"},
	}}
	if err := b.write(path); err != nil {
		t.Fatal(err)
	}
	prom.set("near_nan", "NaN")
	prom.set("near_zero", 0)
	prom.set(`near_many{x="1"}`, 1)
	prom.set(`near_many{x="2"}`, 1)
	shows(t, s, "near_zero", 0)
	shows(t, s, "count(near_many)", 2)
	zero, five := runbook.Percent(0), runbook.Percent(5)
	const pass, fail, unknown = evidence.Pass, evidence.Fail, evidence.Unknown
	for now, cases := range map[float64][]struct {
		p      nearParams
		want   evidence.Verdict
		detail string
	}{
		110: {
			{nearParams{Name: "hundred"}, pass, ""},
			{nearParams{Name: "hundred", Within: &five}, fail, "110, and at the baseline of"},
			{nearParams{Name: "hundred", Within: &five, Direction: "up"}, fail, "110"},
			{nearParams{Name: "hundred", Within: &five, Direction: "down"}, pass, ""},
			{nearParams{Name: "negative", Within: &five}, fail, ""},
			{nearParams{Name: "negative", Within: &five, Direction: "down"}, fail, ""},
			{nearParams{Name: "hundred", Within: &zero}, fail, ""},
			{nearParams{Name: "was-zero"}, fail, "it was 0"},
			{nearParams{Name: "was-zero", Direction: "up"}, fail, ""},
			{nearParams{Name: "zero"}, pass, ""},
			{nearParams{Name: "gone"}, unknown, "no data"},
			{nearParams{Name: "nan"}, unknown, "NaN"},
			{nearParams{Name: "many"}, unknown, "2 series"},
			{nearParams{Name: "other"}, unknown, "has no baseline other, but gone, hundred, many"},
			{nearParams{Name: "hundred", File: path + ".none"}, unknown, "there is no baseline"},
			{nearParams{Name: "hundred", Query: " near_now"}, pass, ""},
			{nearParams{Name: "hundred", Query: "near_other"}, unknown, "of another query: near_now"},
		},
		111: {{nearParams{Name: "hundred"}, fail, "111"}, {nearParams{Name: "hundred", Direction: "down"}, pass, ""}},
		90:  {{nearParams{Name: "hundred"}, pass, ""}},
		89: {
			{nearParams{Name: "hundred"}, fail, "89"},
			{nearParams{Name: "hundred", Direction: "up"}, pass, ""},
			{nearParams{Name: "hundred", Direction: "down"}, fail, "89"},
		},
		100: {{nearParams{Name: "hundred", Within: &zero}, pass, ""}},
	} {
		prom.set("near_now", now)
		shows(t, s, "near_now", now)
		for _, c := range cases {
			if c.p.File == "" {
				c.p.File = path
			}
			check, err := newNear(s, c.p)
			if err != nil {
				t.Fatal(err)
			}
			if r := check.Read(t.Context()); r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%g, %+v: %+v, want %v because %q", now, c.p, r, c.want, c.detail)
			}
		}
	}
	silent := connected(t, connParams{URL: "http://127.0.0.1:1"})
	check, err := newNear(silent, nearParams{File: path, Name: "hundred"})
	if err != nil {
		t.Fatal(err)
	}
	if r := check.Read(t.Context()); r.Verdict != unknown {
		t.Errorf("nobody answers: %+v", r)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if check, _ = newNear(s, nearParams{File: path, Name: "hundred"}); check.Read(t.Context()).Verdict != unknown {
		t.Error("a broken file says something")
	}
}
