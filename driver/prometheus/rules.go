package prometheus

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/segue-run/segue/runbook"
)

// ruleFile is the form of Prometheus's rule files.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string      `yaml:"name"`
	Rules []alertRule `yaml:"rules"`
}

type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// alerter says when a check fails, in PromQL.
type alerter interface {
	Alert(u runbook.Use) (promql string, ok bool, err error)
}

// Rules are a runbook's guards as Prometheus alerting rules, in YAML. A guard
// whose check PromQL cannot ask watches the verdict that Segue itself shows on
// its metrics page, as does each that minds being unknown.
func Rules(rb *runbook.Runbook, catalog alerter) ([]byte, error) {
	group := ruleGroup{Name: "segue-" + rb.Name, Rules: []alertRule{}}
	for _, g := range rb.Guards {
		def, ok := rb.Check(g.Check)
		if !ok {
			continue
		}
		expr, ok, err := catalog.Alert(def.Use)
		if err != nil {
			return nil, fmt.Errorf("guard %s: check %s: %w", g.Name, g.Check, err)
		}
		if !ok || strings.Contains(expr, "${") { // what only the environment knows is not for a file
			expr = verdictIs(rb.Name, g.Check, "fail")
		}
		r := alertRule{
			Alert: g.Name, Expr: expr, Labels: ruleLabels(rb, g),
			Annotations: map[string]string{"summary": fmt.Sprintf("%s: check %s of runbook %s fails; its guard does: %s", g.Name, g.Check, rb.Name, g.Do)},
		}
		if g.FailsFor > 0 {
			r.For = model.Duration(g.FailsFor).String()
		}
		group.Rules = append(group.Rules, r)
		if g.UnknownFor > 0 {
			group.Rules = append(group.Rules, alertRule{
				Alert: g.Name + "-unknown", Expr: verdictIs(rb.Name, g.Check, "unknown"), For: model.Duration(g.UnknownFor).String(), Labels: ruleLabels(rb, g),
				Annotations: map[string]string{"summary": fmt.Sprintf("%s: check %s of runbook %s has no answer; its guard does: %s", g.Name, g.Check, rb.Name, g.Then)},
			})
		}
	}
	raw, err := yaml.Dump(ruleFile{[]ruleGroup{group}}, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("write the rules of %s: %w", rb.Name, err)
	}
	return raw, nil
}

func ruleLabels(rb *runbook.Runbook, g runbook.Guard) map[string]string {
	out := map[string]string{"runbook": rb.Name, "guard": g.Name, "action": string(g.Do)}
	if g.Severity != "" {
		out["severity"] = g.Severity
	}
	return out
}

func verdictIs(runbook, check, verdict string) string {
	return fmt.Sprintf(`segue_check_verdict{runbook=%q,check=%q,verdict=%q} == 1`, runbook, check, verdict)
}
