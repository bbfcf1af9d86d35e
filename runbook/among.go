package runbook

import (
	"errors"
	"fmt"
)

// against refuses steps of one kind that would work against each other.
func (p *parser) against(rb *Runbook) {
	var all []Step
	for _, phase := range rb.Phases {
		for _, later := range phase.Steps {
			for _, earlier := range all {
				if later.Kind.Against == nil || later.Kind.Name != earlier.Kind.Name {
					continue
				}
				err := later.Kind.Against(later.Params, earlier.Params)
				if err == nil {
					continue
				}
				remedy := ""
				if fe, ok := errors.AsType[*FieldError](err); ok {
					remedy = fe.Remedy
				}
				p.report.add(Error{Pos: later.Use.Pos, Path: later.ID, Problem: fmt.Sprintf("beside step %s: %s", earlier.ID, err), Remedy: remedy})
			}
			all = append(all, later)
		}
	}
}

// drainedTooEarly notes background work that a rollback would drain, and end,
// while clients are still on the new side: what is done last is undone first.
func (p *parser) drainedTooEarly(rb *Runbook) {
	routes := ""
	for _, phase := range rb.Phases {
		for _, step := range phase.Steps {
			if routes != "" && step.Kind.Drains != nil && step.Kind.Drains(step.Params) {
				p.note(step.Use.Pos, step.ID, "a rollback undoes it before step "+routes+", while clients are on the new side: what they write from then on is not brought over",
					"put it before that step; or, if nobody needs that where it writes to, say drain: false")
			}
			if routes == "" && step.Kind.Routes != nil && step.Kind.Routes(step.Params) {
				routes = step.ID
			}
		}
	}
}
