package runbook

import (
	"fmt"
	"maps"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// A stepIndex knows the steps that were read so far.
type stepIndex struct {
	byID   map[string]Pos
	byName map[string][]string // name → IDs
}

func newStepIndex() *stepIndex {
	return &stepIndex{byID: map[string]Pos{}, byName: map[string][]string{}}
}

func (s *stepIndex) add(st Step) {
	s.byID[st.ID] = st.Pos
	s.byName[st.Name] = append(s.byName[st.Name], st.ID)
}

// readSteps reads a phase's steps, or a target's first ones. scope is the
// first part of their IDs.
func (p *parser) readSteps(n *yaml.Node, path, scope string) []Step {
	list := p.sequence(n, path, "steps")
	if list == nil {
		if d := deref(n); d.Kind == yaml.SequenceNode {
			p.fault(n, path, "there are no steps", "write at least one, or leave the key out")
		}
		return nil
	}
	out := make([]Step, 0, len(list))
	all := stepsAhead(list, scope)
	for i, c := range list {
		if s, ok := p.step(c, fmt.Sprintf("%s[%d]", path, i), scope, all); ok {
			out = append(out, s)
		}
	}
	return out
}

func (p *parser) step(n *yaml.Node, path, scope string, all map[string]bool) (Step, bool) {
	var actions []*yaml.Node
	m, ok := p.open(n, stepSection, path, func(name string, k *yaml.Node) bool {
		_, isAction := p.kinds(Action)[name]
		if isAction || p.meantAsAction(name) {
			actions = append(actions, k)
			return true
		}
		return false
	})
	if !ok {
		return Step{}, false
	}
	absent := p.absent(m)
	s := Step{Name: strings.TrimSpace(m.text("name")), Timeout: m.duration("timeout"), OnFailure: Response(m.text("on-failure")), Pos: m.pos()}
	switch len(actions) {
	case 0:
		p.fault(m.node, path, "the step has no action", "add one key that names it, as in `"+p.anAction()+": {…}`")
	case 1:
		s.Use, _ = p.use(Action, actions[0], m.vals[actions[0].Value], path)
	default:
		var given []string
		for _, a := range actions {
			given = append(given, quoteKind(a.Value))
		}
		p.fault(actions[1], path, "a step has one action, but here are "+andList(given), "make a step of each")
	}
	s.NoReturn = m.flag("point-of-no-return")
	p.stepID(m, &s, scope)
	s.Needs = p.stepNeeds(m, s, scope, all)
	if n := m.vals["approve"]; n != nil {
		s.Approve = p.approval(n, m.at("approve"))
	}
	if n := m.vals["verify"]; n != nil {
		s.Verify = p.verify(n, m.at("verify"))
	}
	p.irreversible(m, &s, scope)
	p.steps.add(s)
	p.goes("step", s.ID)
	if absent {
		p.back(m, "step "+s.ID)
	}
	return s, !absent
}

// meantAsAction says whether an unknown key of a step is a misspelt action
// rather than a misspelt key of the step.
func (p *parser) meantAsAction(name string) bool {
	if strings.Contains(name, ".") {
		return true
	}
	for _, c := range []Class{Check, Connection} {
		if _, ok := p.kinds(c)[name]; ok {
			return true
		}
	}
	return p.hints.nearest(name, stepSection.names()) == "" && p.hints.nearest(name, kindNames(p.kinds(Action))) != ""
}

func (p *parser) anAction() string { return orWord(p.kinds(Action), "exec") }

// stepID gives a step its ID, which must be its own.
func (p *parser) stepID(m *mapping, s *Step, scope string) {
	if !m.has("name") {
		return
	}
	short := Kebab(s.Name)
	const most = 200
	switch {
	case short == "":
		m.fault("name", quote(s.Name)+" cannot be the name of a step", "write a few words, with letters or digits")
		return
	case len(s.Name) > most:
		m.fault("name", fmt.Sprintf("the step's name has %d bytes", len(s.Name)), fmt.Sprintf("write %d at most", most))
		return
	}
	s.ID = scope + "/" + short
	if first, dup := p.steps.byID[s.ID]; dup && !m.sampled {
		m.fault("name", fmt.Sprintf("two steps have the ID %s, the first on line %d", s.ID, first.Line), "give each its own name")
	}
}

// Kebab makes a step's name the second half of its ID: letters and digits in
// lower case, with hyphens for all else.
func Kebab(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// stepNeeds resolves names and IDs to IDs of earlier steps.
func (p *parser) stepNeeds(m *mapping, s Step, scope string, all map[string]bool) []string {
	needs := m.list("needs")
	out := make([]string, 0, len(needs))
	seen := map[string]bool{}
	for i, need := range needs {
		n, path := m.entry("needs", i), fmt.Sprintf("%s[%d]", m.at("needs"), i)
		ids := p.stepsCalled(need, scope)
		switch {
		case len(ids) == 1 && !seen[ids[0]]:
			seen[ids[0]] = true
			p.stays(n, path, "step", ids[0])
			out = append(out, ids[0])
		case len(ids) == 1:
			p.fault(n, path, ids[0]+" is listed twice", "keep one of them")
		case len(ids) > 1:
			p.fault(n, path, fmt.Sprintf("more than one step is called %s", quote(need)), "write its ID: "+orList(ids[:min(len(ids), 5)]))
		case need == s.Name || need == s.ID || scope+"/"+need == s.ID:
			p.fault(n, path, "the step needs itself", "remove it")
		case all[need] || all[scope+"/"+need]:
			p.fault(n, path, fmt.Sprintf("the step needs %s, which comes later", quote(need)), "steps run in order: move one of them, or remove it")
		default:
			p.fault(n, path, "no earlier step is called "+quote(need), p.stepRemedy(need))
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// stepsCalled lists the IDs of the earlier steps that a need can mean: those
// of the same phase come first.
func (p *parser) stepsCalled(need, scope string) []string {
	for _, id := range []string{need, scope + "/" + need} {
		if _, ok := p.steps.byID[id]; ok {
			return []string{id}
		}
	}
	ids := p.steps.byName[need]
	var mine, others []string
	for _, id := range ids {
		switch {
		case strings.HasPrefix(id, scope+"/"):
			mine = append(mine, id)
		case !strings.HasPrefix(id, "target:") && !strings.HasPrefix(scope, "target:"):
			others = append(others, id)
		}
	}
	if len(mine) > 0 {
		return mine
	}
	return others
}

func (p *parser) stepRemedy(need string) string {
	const none = "only earlier steps can be needed"
	if strings.Contains(need, "/") {
		return p.hints.remedy(need, maps.Keys(p.steps.byID), none)
	}
	if near := p.hints.nearest(need, maps.Keys(p.steps.byName)); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	return none
}

// stepsAhead collects the names and IDs of all steps of a list as written, so
// that a need for a later step is told apart from one that does not exist.
func stepsAhead(list []*yaml.Node, scope string) map[string]bool {
	out := map[string]bool{}
	for _, n := range list {
		if n = deref(n); n.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if v := deref(n.Content[i+1]); n.Content[i].Value == "name" && v.Kind == yaml.ScalarNode {
				out[v.Value] = true
				out[scope+"/"+Kebab(v.Value)] = true
			}
		}
	}
	return out
}

// irreversible checks that what cannot be undone says so.
func (p *parser) irreversible(m *mapping, s *Step, scope string) {
	switch {
	case strings.HasPrefix(scope, "target:") && (s.Kind.Irreversible || s.NoReturn):
		p.fault(m.node, m.path, "a step that restores service cannot be irreversible", "use an action that can be undone")
	case s.Kind.Irreversible && !s.NoReturn:
		p.fault(m.node, m.path, s.Kind.Name+" cannot be undone, and the step does not say so", "add `point-of-no-return: true` and say in approve who must agree")
	}
	if s.Kind.Approved && s.Approve == nil && !m.has("approve") {
		p.fault(m.node, m.path, s.Kind.Name+" is for people to approve, and the step asks nobody", "say who must agree, as in `approve: {roles: [lead]}`")
	}
	if s.NoReturn && s.Approve == nil {
		if !m.has("approve") {
			p.note(s.Pos, m.path, "a point of no return that says nothing of approval asks for one, by anyone", "say who must agree, as in `approve: {roles: [lead]}`")
		}
		s.Approve = &Approval{Count: 1, Pos: s.Pos}
	}
}
