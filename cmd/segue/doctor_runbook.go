package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
)

// diagnose asks a runbook's own doctor: the troubles named, or all.
func (a *app) diagnose(ctx context.Context, file string, names []string, vals values, asJSON bool) error {
	rb, err := a.parse(file, vals, false)
	if err != nil {
		return err
	}
	troubles, err := chosen(rb, names)
	if err != nil {
		return usage(err)
	}
	var checks []string
	for _, t := range troubles {
		for _, name := range t.Checks() {
			if !slices.Contains(checks, name) {
				checks = append(checks, name)
			}
		}
	}
	readings, err := a.planner().Check(ctx, rb, checks)
	if err != nil {
		return err
	}
	found := report.Diagnose(troubles, readings)
	if asJSON {
		err = a.printJSON(found)
	} else {
		_, err = io.WriteString(redacting{a.stdout, &a.secrets}, found.Text()+report.Contacts(rb.Contacts))
	}
	if err != nil || found.Well() {
		return err
	}
	present, unknown := found.Count(report.Present), found.Count(report.Uncertain)
	return &exitError{code: codeFailed, err: fmt.Errorf("of %d symptoms %d are present and %d unknown", len(found), present, unknown)}
}

// chosen are the troubles with these names, in the order asked for; all when
// there is no name.
func chosen(rb *runbook.Runbook, names []string) ([]runbook.Trouble, error) {
	if len(rb.Doctor) == 0 {
		return nil, fmt.Errorf("%s: the runbook has no doctor section: there is nothing to ask", rb.File)
	}
	if len(names) == 0 {
		return rb.Doctor, nil
	}
	var known []string
	for _, t := range rb.Doctor {
		known = append(known, t.Name)
	}
	var out []runbook.Trouble
	var errs []error
	for _, name := range names {
		i := slices.Index(known, name)
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("%s: doctor has no entry %q; %s", rb.File, name, runbook.Suggest(name, known)))
		case !slices.ContainsFunc(out, func(t runbook.Trouble) bool { return t.Name == name }):
			out = append(out, rb.Doctor[i])
		}
	}
	return out, errors.Join(errs...)
}
