package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/announce"
	"github.com/segue-run/segue/notify"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// filled is a template with what it was filled with.
type filled struct {
	Template string           `json:"template"`
	Runbook  string           `json:"runbook"`
	Run      string           `json:"run,omitempty"`
	At       time.Time        `json:"at"`
	Text     string           `json:"text"`
	Figures  []runner.Checked `json:"figures,omitempty"`
}

// fill prints a template of a run's runbook, or of a runbook file before there
// is a run of it. It asks the checks that the template names, and no others.
func (a *app) fill(ctx context.Context, o reporting, run string) error {
	if err := o.templateOptions(run); err != nil {
		return usage(err)
	}
	rb, facts, err := a.facts(ctx, o, run)
	if err != nil {
		return err
	}
	t, ok := rb.Template(o.template)
	if !ok {
		return usage(noTemplate(rb, o.template))
	}
	out := filled{Template: t.Name, Runbook: rb.Name, Run: facts.Run, At: time.Now()}
	if len(t.Checks) > 0 { // no name would mean all
		if out.Figures, err = a.planner().Check(ctx, rb, t.Checks); err != nil {
			return err
		}
		out.At = time.Now()
	}
	if out.Text, err = notify.Fill(rb, t, facts, out.Figures, out.At); err != nil {
		return fmt.Errorf("%s: template %s: %w", t.Pos, t.Name, err)
	}
	out.Text = strings.TrimRight(out.Text, "\n") + "\n"
	return a.printFilled(o, out)
}

func (a *app) printFilled(o reporting, out filled) error {
	if o.asJSON {
		return a.printJSON(out)
	}
	text := a.secrets.RedactBytes([]byte(out.Text))
	if o.out != "" {
		return keep(o.out, text)
	}
	_, err := a.stdout.Write(text)
	return err
}

// templateOptions refuses flags that say nothing of a template.
func (o reporting) templateOptions(run string) error {
	switch {
	case o.verify:
		return errors.New("--verify is about a run's report, not about a template: leave one of them out")
	case o.format != "md":
		return errors.New("--format is about a run's report: a template has the form in which it is written (--json tells the figures too)")
	case o.asJSON && o.out != "":
		return errors.New("--json prints, and --out writes what is printed without it: leave one of them out")
	case o.runbook != "" && run != "":
		return fmt.Errorf("--runbook is for before there is a run, and %q is one: leave one of them out", run)
	case o.runbook == "" && len(o.set)+len(o.files) > 0:
		return errors.New("--set and --values give the inputs of --runbook FILE; a run has its own")
	}
	return nil
}

// facts are those of a run, or of a runbook before there is one.
func (a *app) facts(ctx context.Context, o reporting, run string) (*runbook.Runbook, announce.Facts, error) {
	if o.runbook != "" {
		rb, err := a.parse(o.runbook, o.values, false)
		if err != nil {
			return nil, announce.Facts{}, err
		}
		return rb, report.Ahead(rb, time.Now()), nil
	}
	r, err := a.openReader(ctx)
	if err != nil {
		return nil, announce.Facts{}, fmt.Errorf("%w; before there is a run, name its runbook: --runbook FILE", err)
	}
	defer r.Close()
	var args []string
	if run != "" {
		args = append(args, run)
	}
	l, err := a.look(ctx, r, args)
	if err != nil {
		return nil, announce.Facts{}, err
	}
	rb := l.history.Runbook
	return rb, report.Facts(rb, report.Status(l.history, l.state, l.decision, l.holder, l.now)), nil
}

func noTemplate(rb *runbook.Runbook, name string) error {
	if len(rb.Templates) == 0 {
		return fmt.Errorf("%s: the runbook has no templates section", rb.File)
	}
	var known []string
	for _, t := range rb.Templates {
		known = append(known, t.Name)
	}
	return fmt.Errorf("%s: the runbook has no template %q; %s", rb.File, name, runbook.Suggest(name, known))
}
