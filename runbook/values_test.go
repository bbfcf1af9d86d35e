package runbook_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/runbook"
)

const withInputs = `segue: v1
name: inputs
inputs:
  soak: {type: duration, default: 30m}
  env: {type: string, default: staging}
  nodes: {type: int, default: 3}
  tags: {type: list, default: [a]}
phases:
  - name: only
    description: ${soak}/${env}/${nodes}/${tags}
    steps: [{name: Do it, exec: {run: $tags, undo: ["true"]}}]
`

func TestSetWinsOverFilesAndFilesOverDefaults(t *testing.T) {
	for name, tc := range map[string]struct {
		vals runbook.Values
		want string
	}{
		"defaults":    {runbook.Values{}, "30m/staging/3/a"},
		"a file":      {values("soak: 1h\nenv: 2026-01-02\n"), "1h/2026-01-02/3/a"},
		"two files":   {values("soak: 1h\nnodes: 5\n", "soak: 2h\ntags: [b, c]\n"), "2h/staging/5/b,c"},
		"set":         {runbook.Values{Set: []string{"env=a=b", "tags=x, y"}}, "30m/a=b/3/x,y"},
		"a YAML list": {runbook.Values{Set: []string{`tags=["x,y", ""]`}}, `30m/staging/3/["x,y",""]`},
		"both":        {runbook.Values{Set: []string{"soak=3h"}, Files: values("soak: 1h\nenv: prod\n").Files}, "3h/prod/3/a"},
	} {
		rb, err := runbook.Parse("x.yaml", []byte(withInputs), newFakeCatalog(), tc.vals)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := rb.Phases[0].Description; got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func values(texts ...string) runbook.Values {
	var v runbook.Values
	for i, text := range texts {
		v.Files = append(v.Files, runbook.ValuesFile{Name: string(rune('a'+i)) + ".yaml", Text: []byte(text)})
	}
	return v
}

func TestSamplesStandInForInputsThatLintDoesNotKnow(t *testing.T) {
	src := []byte(`segue: v1
name: sampled
inputs:
  check: {type: string}
  do: {type: string}
  soak: {type: duration}
  share: {type: percentage}
  room: {type: size}
  n: {type: int}
  env: {type: string, enum: [staging, production]}
  closed: {type: bool}
  subjects: {type: list}
  limit: {type: string}
connections:
  bus: {nats: {url: "nats://${env}"}}
  db: {postgres: {url: "postgres://${env}"}}
checks:
  healthy: {nats.healthy: {on: bus, nodes: $n}}
  stored: {sql: {on: db, query: "select ${n}", args: [$n, $soak, $subjects], expect: "rows[0].n < ${limit}"}}
guards:
  - {check: $check, fails-for: $soak, every: 5m, do: $do, to: start}
phases:
  - name: one-${env}
    steps:
      - name: Create ${env}
        nats.stream: {on: bus, name: AA, closed: $closed, subjects: $subjects, max-bytes: $room}
      - {name: Split, nginx.split: {new: $share}}
    gate: {hold: [$check, stored], for: $soak, deadline: 30s}
`)
	if _, err := runbook.Parse("x.yaml", src, newFakeCatalog(), runbook.Values{}); err == nil {
		t.Error("required inputs without a value were taken")
	}
	rb, err := runbook.Parse("x.yaml", src, newFakeCatalog(), runbook.Values{Samples: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range rb.Inputs {
		if in.Value != nil || !in.Required {
			t.Errorf("%+v", in)
		}
	}
	if rb.Phases[0].Gate.For != time.Minute || rb.Connections[0].Params["url"] != "nats://staging" {
		t.Errorf("%+v", rb)
	}
}

func TestOneErrorCanBeHadFromAll(t *testing.T) {
	_, err := runbook.Parse("x.yaml", []byte("segue: v1\nname: X\nphase: []\n"), newFakeCatalog(), runbook.Values{})
	var first *runbook.Error
	if !errors.As(err, &first) || first.Path != "name" {
		t.Fatalf("%+v of %v", first, err)
	}
	want := `x.yaml:2:7: "X" cannot be the name of a runbook; use lower-case letters, digits, - and _, beginning with a letter or digit, at most 64
x.yaml:3:1: a runbook has no key phase; did you mean phases?`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsAreInTheOrderOfTheFileAndOnce(t *testing.T) {
	src, vals := readCase(t, "testdata/broken/many-at-once.yaml")
	_, err := runbook.Parse("x.yaml", src, newFakeCatalog(), vals)
	var errs runbook.Errors
	if !errors.As(err, &errs) {
		t.Fatal(err)
	}
	for i := 1; i < len(errs); i++ {
		a, b := errs[i-1].Pos, errs[i].Pos
		if a.Line > b.Line || a.Line == b.Line && a.Column > b.Column || *errs[i-1] == *errs[i] {
			t.Errorf("%s comes before %s", errs[i-1], errs[i])
		}
	}
	if strings.Count(err.Error(), "\n")+1 != len(errs) {
		t.Error("an error has more than one line")
	}
}
