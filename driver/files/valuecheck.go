package files

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type valueParams struct {
	Path     string `param:"path,required" doc:"The file, on the machine that Segue runs on."`
	Key      string `param:"key,required" doc:"The key, written as in files.yaml, or the variable."`
	Expect   string `param:"expect,expression,required" vars:"value" doc:"What must be true of its value, as in: value == 2"`
	Format   string `param:"format" enum:"yaml|env" doc:"How the file is read; without it its name tells: .yaml, .yml, .json, .env."`
	Document *int   `param:"document" doc:"Which document of a YAML file is meant, counted from 0, if it has several."`
	Secret   bool   `param:"secret" doc:"The value is to show nowhere. Those that are named password, token and the like do not anyway."`
}

// Validate implements what types cannot say.
func (p valueParams) Validate() error {
	k, err := parseKey(p.Key)
	switch {
	case err != nil:
		return &runbook.FieldError{Field: "key", Problem: err.Error(), Remedy: "write it as a.b[0].c, and a key that has a dot in quotes"}
	case p.format() == "" && !strings.Contains(p.Path, "${"):
		return &runbook.FieldError{Field: "path", Problem: "its name does not tell how it is to be read", Remedy: "add format: yaml or format: env"}
	case p.format() == "env" && (len(k) != 1 || k[0].index >= 0):
		return &runbook.FieldError{Field: "key", Problem: "a variable is named " + p.Key, Remedy: "write its name alone: EVENT_STREAM_MODE"}
	case p.Document != nil && *p.Document < 0:
		return &runbook.FieldError{Field: "document", Problem: "documents are counted from 0", Remedy: "write document: 0"}
	}
	return nil
}

func (p valueParams) format() string {
	if p.Format != "" {
		return p.Format
	}
	return formatOf(p.Path)
}

type value struct {
	p      valueParams
	key    keyPath
	parse  format
	expect *expr.Expr
}

func valueCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "files.value",
		Doc:  "The value of a key in a configuration file on this machine is as expected. Unknown when the file or the key is not there.",
	}, func(_ context.Context, _ driver.Conn, p valueParams) (driver.Check, error) { return newValue(p) })
}

func newValue(p valueParams) (*value, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("files.value: %w", err)
	}
	e, err := expr.Compile(p.Expect, []string{"value"})
	if err != nil {
		return nil, fmt.Errorf("files.value: expect: %w", err)
	}
	v := &value{p: p, expect: e, parse: yamlFormat(p.Document)}
	if p.format() == "env" {
		v.parse = envFormat
	}
	if v.key, err = parseKey(p.Key); err != nil {
		return nil, fmt.Errorf("files.value: %w", err)
	}
	return v, nil
}

// Read implements driver.Check.
func (c *value) Read(ctx context.Context) evidence.Reading {
	r := c.read(ctx)
	r.Bound, r.Source, r.Query = c.p.Expect, "file "+c.p.Path, c.key.String()
	return r
}

func (c *value) read(ctx context.Context) evidence.Reading {
	v, err := c.look(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	shown := c.shown(v)
	verdict, err := c.expect.Eval(map[string]any{"value": bare(v)})
	r := evidence.Reading{Verdict: verdict, Value: shown, Samples: 1}
	switch {
	case err != nil:
		r.Verdict, r.Detail = evidence.Unknown, err.Error()
	case verdict == evidence.Fail:
		r.Detail = fmt.Sprintf("%s is %s, which does not meet %s", c.key, shown, c.p.Expect)
	}
	return r
}

func (c *value) look(ctx context.Context) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := readFile(c.p.Path)
	if err != nil {
		return nil, err
	}
	doc, err := c.parse(c.p.Path, s.src)
	if err != nil {
		return nil, err
	}
	v, ok, err := doc.look(c.key)
	if err == nil && !ok {
		err = errors.New(c.p.Path + " has no " + c.key.String())
	}
	return v, err
}

// shown is the value for people.
func (c *value) shown(v any) string {
	var s sealer
	if c.p.Secret {
		s.declared = []keyPath{c.key}
	}
	face, hidden := state.State{"": state.Fields{"v": s.encode(c.key, v)}}.Face(nil)
	text := string(face[""]["v"])
	switch {
	case hidden:
		return "(sealed)"
	case v == nil:
		return "null"
	case len(text) > 200:
		return fmt.Sprintf("a value of %d bytes", len(text))
	}
	if t, ok := v.(string); ok {
		return t
	}
	return text
}

// bare is a value as an expression takes it: a date is its text.
func bare(v any) any {
	switch v := v.(type) {
	case tagged:
		return v.text
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = bare(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = bare(e)
		}
		return out
	}
	return v
}
