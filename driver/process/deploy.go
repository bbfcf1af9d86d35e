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

type deployParams struct {
	rolling
	Command []string          `param:"command" doc:"The argv that each replica runs from now on; without it the command stays."`
	Env     map[string]string `param:"env" doc:"Variables that belong to the release: {RELEASE: phase2-migration}."`
	witnessing
}

// Validate implements what types cannot say.
func (p deployParams) Validate() error {
	switch {
	case len(p.Command)+len(p.Env) == 0:
		return &runbook.FieldError{Field: "command", Problem: "nothing is to be deployed", Remedy: "write command: [argv], env: {RELEASE: v2}, or both"}
	case len(p.Command) > 0 && p.Command[0] == "":
		return &runbook.FieldError{Field: "command", Problem: "there is no command", Remedy: "write an argv: [/opt/app, serve]"}
	case len(p.Command) == 1 && strings.ContainsAny(p.Command[0], " \t|;&<>"):
		return &runbook.FieldError{Field: "command", Problem: "an argv is no shell string", Remedy: "give each argument on its own: [/opt/app, serve]"}
	}
	if err := variablesError("env", p.Env); err != nil {
		return err
	}
	if err := p.asking.validate(); err != nil {
		return err
	}
	return p.witnessing.validate(slices.Collect(maps.Keys(p.Env)))
}

func deployAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "process.deploy", On: kind, Resumable: true,
		Doc: "Gives a service another release, by its command and variables, and replaces its replicas one after the other.",
	}, newDeploy)
}

func newDeploy(ctx context.Context, conn *Conn, p deployParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process.deploy: %w", err)
	}
	settings := variables(p.Env, nil)
	if len(p.Command) > 0 {
		settings = append(settings, setting{runs{}, command{argv: p.Command}.encode()})
	}
	c, err := newChange(ctx, conn, p.rolling, settings)
	if err != nil {
		return nil, err
	}
	return p.witnessing.over(c), nil
}
