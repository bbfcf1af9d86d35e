package driver

import "github.com/segue-run/segue/runbook"

// Alerts is what the parameters of a check may say: when the check fails, in
// PromQL, so that a guard on it can watch on without Segue.
type Alerts interface {
	// Alert is an expression that has a result while the check fails. ok is false
	// when PromQL cannot say it.
	Alert() (promql string, ok bool)
}

// Alert is when a check fails, in PromQL; ok is false when it cannot be said.
// What refers to the environment is left as it stands.
func (c *Catalog) Alert(u runbook.Use) (promql string, ok bool, err error) {
	e, known := c.checks[u.Kind.Name]
	if !known || e.alert == nil {
		return "", false, nil
	}
	return e.alert(u.Params)
}

// alertOf makes the function for a type of parameters, nil for one that says
// nothing in PromQL.
func alertOf[P any]() func(runbook.Params) (string, bool, error) {
	if _, can := any(*new(P)).(Alerts); !can {
		return nil
	}
	return func(raw runbook.Params) (string, bool, error) {
		p, err := decode[P](raw, func(ref string) (string, error) { return "${" + ref + "}", nil }, nil)
		if err != nil {
			return "", false, err
		}
		promql, ok := any(p).(Alerts).Alert()
		return promql, ok, nil
	}
}
