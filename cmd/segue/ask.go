package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// askOne asks one check of a kind that takes long, with other parameters than
// the runbook gives it, and tells on standard error how far it is. Without a
// name it is the only one of the kind.
func (a *app) askOne(ctx context.Context, rb *runbook.Runbook, kind, name string, params runbook.Params) (runner.Checked, error) {
	var found []*runbook.NamedCheck
	var names []string
	for i := range rb.Checks {
		if c := &rb.Checks[i]; c.Kind.Name == kind {
			names = append(names, c.Name)
			if name == "" || c.Name == name {
				found = append(found, c)
			}
		}
	}
	switch {
	case len(names) == 0:
		return runner.Checked{}, usage(fmt.Errorf("the runbook has no check of kind %s", kind))
	case len(found) == 0:
		return runner.Checked{}, usage(fmt.Errorf("the runbook has no check %q of kind %s; there is %s", name, kind, strings.Join(names, ", ")))
	case len(found) > 1:
		return runner.Checked{}, usage(fmt.Errorf("the runbook has several checks of kind %s, name one: %s", kind, strings.Join(names, ", ")))
	}
	def := found[0]
	def.Params = maps.Clone(def.Params)
	maps.Copy(def.Params, params)
	if def.Kind.Validate != nil {
		if err := def.Kind.Validate(def.Params); err != nil {
			return runner.Checked{}, usage(err)
		}
	}
	m, out := driver.Meter{Every: 5 * time.Second}, redacting{a.stderr, &a.secrets}
	readings, err := a.planner().Check(driver.WithProgress(ctx, func(p driver.Progress) {
		if p, due := m.Take(p, time.Now()); due {
			fmt.Fprintln(out, progressLine(p))
		}
	}), rb, []string{def.Name})
	if err != nil {
		return runner.Checked{}, err
	}
	return readings[0], nil
}

func progressLine(p driver.Progress) string {
	line := fmt.Sprintf("%.0f of %.0f %s, %s left", p.Done, p.Of, p.What, p.Left.Round(time.Second))
	if p.Note != "" {
		line += ": " + p.Note
	}
	return line
}
