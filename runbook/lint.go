package runbook

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Lint tells what a runbook is allowed to say and hardly means, in the order
// of the file.
func Lint(r *Runbook) []Warning {
	out := slices.Clone(r.notes)
	slices.SortStableFunc(out, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return out
}

// unused notes what is declared and never referred to.
func (p *parser) unused(rb *Runbook) {
	for _, in := range rb.Inputs {
		if !p.used["inputs."+in.Name] {
			p.note(in.Pos, "inputs."+in.Name, fmt.Sprintf("the input %s is not used", in.Name), "use it as $"+in.Name+", or remove it")
		}
	}
	for _, c := range rb.Connections {
		if !p.used["connections."+c.Name] {
			p.note(c.Pos, "connections."+c.Name, fmt.Sprintf("the connection %s is not used", c.Name), "remove it")
		}
	}
	for _, c := range rb.Checks {
		if !p.used["checks."+c.Name] {
			p.note(c.Pos, "checks."+c.Name, fmt.Sprintf("no gate, guard, verification or requirement asks the check %s", c.Name), "use it, or remove it")
		}
	}
	for _, role := range slices.Sorted(maps.Keys(rb.Roles)) {
		if !p.used["roles."+role] {
			p.note(p.roleAt[role], "roles."+role, fmt.Sprintf("nothing asks for the role %s", role), "use it, or remove it")
		}
	}
}
