package files

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

const asWritten = `
segue: v1
name: all-of-files
checks:
  phase: {files.value: {path: "${DIR}/app.yaml", key: 'migration.phase', expect: value == 2}}
  mode:  {files.value: {path: "${DIR}/app.env", key: MODE, expect: 'value == "multi"', format: env}}
phases:
  - name: one
    steps:
      - name: Turn the flags on
        files.yaml:
          path: "${DIR}/app.yaml"
          set: {migration.phase: 2, rollout.flags.on: true, "servers[0].port": 4222, 'labels."app.io/name"': "1.10", since: 2026-01-02, db.password: "${PASSWORD}", dsn: "${PASSWORD}"}
          unset: [old.flag]
      - name: Say so in the environment
        files.env:
          path: "${DIR}/app.env"
          set: {MODE: multi, TOKEN: "${PASSWORD}"}
          unset: [OLD]
      - name: Raise two flags
        flags.set: {path: "${DIR}/flags.yaml", set: {a: true, b: false}}
      - name: Raise all
        flags.enable-all: {path: "${DIR}/flags.yaml", except: [c]}
`

func TestPartsWorkAsWritten(t *testing.T) {
	dir := t.TempDir()
	const yaml, env = "dsn: old-dsn\nmigration: {phase: 1}\nservers:\n  - port: 1\nold: {flag: 1, more: 2}\n", "MODE=single\nOLD=1\n"
	write(t, dir+"/app.yaml", yaml)
	write(t, dir+"/app.env", env)
	made := drivertest.Make(t, asWritten, map[string]string{"DIR": dir, "PASSWORD": "pa ss"}, Parts()...)
	verdicts := func(want evidence.Verdict) {
		t.Helper()
		for name, c := range made.Checks {
			if r := c.Read(t.Context()); r.Verdict != want {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	verdicts(evidence.Fail)
	var plays []*play
	for _, name := range []string{"Turn the flags on", "Say so in the environment"} {
		plays = append(plays, run(t, made.Actions[name].(*action)))
	}
	verdicts(evidence.Pass)
	same(t, "YAML", "dsn: pa ss\nmigration: {phase: 2}\nservers:\n  - port: 4222\nold: {more: 2}\ndb:\n  password: pa ss\nlabels:\n  app.io/name: \"1.10\"\nrollout:\n  flags:\n    \"on\": true\nsince: \"2026-01-02\"\n", content(t, dir+"/app.yaml"))
	same(t, "environment", "MODE=multi\nTOKEN='pa ss'\n", content(t, dir+"/app.env"))
	for _, p := range plays {
		for _, s := range []state.State{p.before, p.want} {
			face, _ := s.Face(nil)
			if raw, err := json.Marshal(face); err != nil || strings.Contains(string(raw), "pa ss") || strings.Contains(string(raw), "old-dsn") {
				t.Errorf("what a reference gives, or replaces, shows: %s, %v", raw, err)
			}
		}
		p.undo()
	}
	same(t, "YAML, undone", yaml, content(t, dir+"/app.yaml"))
	same(t, "environment, undone", env, content(t, dir+"/app.env"))
}

func TestParametersThatAreWrongAreToldWithTheField(t *testing.T) {
	for _, c := range []struct {
		p     interface{ Validate() error }
		field string
		want  string
	}{
		{yamlParams{}, "set", "no key is given"},
		{set("a..b", 1), "set", "empty"},
		{set("a[x]", 1), "set", "number of an element"},
		{set(`a."b`, 1), "set", "not closed"},
		{set("a]", 1), "set", "needs quotes"},
		{unset("a[0]"), "unset", "would move up"},
		{yamlParams{Set: map[string]any{"a.b": 1}, Unset: []string{"a"}}, "unset", "within the other"},
		{yamlParams{Set: map[string]any{"a.b": 1, `a."b"`: 2}}, "set", "within the other"},
		{yamlParams{Set: map[string]any{"a": 1}, Document: new(-1)}, "document", "counted from 0"},
		{yamlParams{Set: map[string]any{"a": 1}, Secret: []string{"."}}, "secret", "empty"},
		{envParams{}, "set", "no variable is given"},
		{setEnv("a b", ""), "set", `named "a b"`},
		{setEnv("A", "x\ny"), "set", "line end"},
		{envParams{Set: map[string]string{"A": ""}, Unset: []string{"A"}}, "unset", "given twice"},
		{flagsSetParams{}, "set", "no flag is given"},
		{flagsSetParams{flagsParams{Key: "a..b"}, map[string]bool{"a": true}}, "key", "empty"},
		{flagsAllParams{flagsParams: flagsParams{Key: "."}}, "key", "empty"},
		{valueParams{Path: "x.conf", Key: "a", Expect: "value == 1"}, "path", "does not tell"},
		{valueParams{Path: "x.env", Key: "a.b", Expect: "value == 1"}, "key", "is named a.b"},
		{valueParams{Path: "x.yaml", Key: "", Expect: "value == 1"}, "key", "empty"},
	} {
		wrong, ok := errors.AsType[*runbook.FieldError](c.p.Validate())
		if !ok || wrong.Field != c.field || !strings.Contains(wrong.Problem, c.want) || wrong.Remedy == "" {
			t.Errorf("%+v: %+v", c.p, wrong)
		}
	}
}

func TestValueIsUnknownWhenThereIsNone(t *testing.T) {
	yaml := put(t, "c.yaml", "a: {b: 1, password: tok-en}\nc: &c {x: 1}\nd: *c\ne:\n  <<: *c\nf: 2026-01-02\ng: null\nh: .nan\ni: [x, 12345678901234567890]\n")
	env := put(t, ".env", "A=1\nA=2\nTOKEN=tok-en\nB='x\n")
	for _, c := range []struct {
		p    valueParams
		want evidence.Verdict
	}{
		{valueParams{Path: yaml, Key: "a.b", Expect: "value == 1"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "a.b", Expect: "value == 2"}, evidence.Fail},
		{valueParams{Path: yaml, Key: "a", Expect: "value.b == 1"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "a.c", Expect: "value == 1"}, evidence.Unknown},
		{valueParams{Path: yaml, Key: "a.b.c", Expect: "value == 1"}, evidence.Unknown},
		{valueParams{Path: yaml, Key: "d.x", Expect: "value == 1"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "e.x", Expect: "value == 1"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "f", Expect: "value == '2026-01-02'"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "g", Expect: "value == 1"}, evidence.Unknown},
		{valueParams{Path: yaml, Key: "i[0]", Expect: "value == 'x'"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "i[2]", Expect: "value == 'x'"}, evidence.Unknown},
		{valueParams{Path: yaml, Key: "a.password", Expect: "value == 'tok-en'"}, evidence.Pass},
		{valueParams{Path: yaml, Key: "a.password", Expect: "value == 'else'"}, evidence.Fail},
		{valueParams{Path: yaml + ".yaml", Key: "a", Expect: "value == 1"}, evidence.Unknown},
		{valueParams{Path: env, Key: "A", Expect: "value == '2'"}, evidence.Pass},
		{valueParams{Path: env, Key: "TOKEN", Expect: "value == 'else'"}, evidence.Fail},
		{valueParams{Path: env, Key: "B", Expect: "value == 'x'"}, evidence.Unknown},
		{valueParams{Path: env, Key: "C", Expect: "value == 'x'"}, evidence.Unknown},
	} {
		v, err := newValue(c.p)
		check(t, err)
		r := v.Read(t.Context())
		if r.Verdict != c.want || r.Verdict != evidence.Pass && r.Detail == "" || r.Source == "" || r.Bound == "" {
			t.Errorf("%s %s %s: %+v", c.p.Path, c.p.Key, c.p.Expect, r)
		}
		if strings.Contains(r.Value+r.Detail, "tok-en") {
			t.Errorf("a secret shows: %+v", r)
		}
	}
}

func TestRefusalsComeWithARemedy(t *testing.T) {
	_, err := planned(t, yamlOf(t, set("b", int64(1)).at(put(t, "c.yaml", "a: &x 1\nb: *x\n"))))
	r, ok := errors.AsType[*driver.Refusal](err)
	if !ok || r.Remedy == "" || strings.Contains(r.Reason, ";") {
		t.Errorf("%+v", r)
	}
}
