package process

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type envParams struct {
	rolling
	Set   map[string]string `param:"set" doc:"Variables and their values, on every replica."`
	Unset []string          `param:"unset" doc:"Variables to take out of the definition. What process-compose itself has in its environment a replica inherits all the same."`
	witnessing
}

// Validate implements what types cannot say.
func (p envParams) Validate() error {
	if len(p.Set)+len(p.Unset) == 0 {
		return &runbook.FieldError{Field: "set", Problem: "no variable is given", Remedy: "write set: {NAME: value} or unset: [NAME]"}
	}
	for _, name := range p.Unset {
		if _, both := p.Set[name]; both {
			return &runbook.FieldError{Field: "unset", Problem: name + " is also set", Remedy: "leave it in one of the two"}
		}
		if err := variableError("unset", name, ""); err != nil {
			return err
		}
	}
	if err := variablesError("set", p.Set); err != nil {
		return err
	}
	if err := p.asking.validate(); err != nil {
		return err
	}
	return p.witnessing.validate(slices.Concat(slices.Collect(maps.Keys(p.Set)), p.Unset))
}

func variablesError(field string, set map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if err := variableError(field, name, set[name]); err != nil {
			return err
		}
	}
	return nil
}

func variableError(field, name, value string) error {
	if name == "" || strings.ContainsAny(name, "= \t\n\x00") || strings.Contains(value, "\x00") {
		return &runbook.FieldError{Field: field, Problem: "a variable is named " + `"` + name + `"`, Remedy: "write its name alone: EVENT_STREAM_MODE"}
	}
	return nil
}

// variables are settings of an environment, in order.
func variables(set map[string]string, unset []string) []setting {
	var out []setting
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, setting{environ(name), environ(name).encode(set[name])})
	}
	for _, name := range slices.Sorted(slices.Values(unset)) {
		out = append(out, setting{environ(name), encode(nil)})
	}
	return out
}

func envAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "process.env", On: kind, Resumable: true,
		Doc: "Sets variables of a service's environment, and replaces its replicas one after the other.",
	}, newEnv)
}

func newEnv(ctx context.Context, conn *Conn, p envParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process.env: %w", err)
	}
	c, err := newChange(ctx, conn, p.rolling, variables(p.Set, p.Unset))
	if err != nil {
		return nil, err
	}
	return p.witnessing.over(c), nil
}
