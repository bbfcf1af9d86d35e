package engine

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/segue-run/segue/runbook"
)

// Amendable says why a run may not go on with another text of its runbook, ""
// if it may: what has begun, and what it speaks to, must stay as it is.
func (s *State) Amendable(was, is *runbook.Runbook) string {
	if s.Status == RollingBack {
		return "a rollback is under way"
	}
	if was.Name != is.Name {
		return fmt.Sprintf("this is another runbook: %s, not %s", is.Name, was.Name)
	}
	for _, c := range was.Connections {
		if !same(useOf(c.Use), useOf(connection(is, c.Name))) {
			return fmt.Sprintf("connection %s must stay as it is while the run goes on", c.Name)
		}
	}
	for i, p := range was.Phases {
		if !s.begun(i, p) {
			continue
		}
		if i >= len(is.Phases) || !same(phaseShape(p), phaseShape(is.Phases[i])) {
			return fmt.Sprintf("phase %s has started and must stay as it is", p.Name)
		}
		for _, name := range asks(p) {
			a, _ := was.Check(name)
			b, _ := is.Check(name)
			if !same(useOf(a.Use), useOf(b.Use)) {
				return fmt.Sprintf("check %s must stay as it is: phase %s, which has started, asks it", name, p.Name)
			}
		}
	}
	return ""
}

// begun reports whether a phase has started and is not wholly undone again.
func (s *State) begun(i int, p runbook.Phase) bool {
	if i < s.PhaseIndex {
		return true
	}
	for _, step := range p.Steps {
		if slices.Contains(s.Order, step.ID) {
			return true
		}
	}
	stage := s.phase(p.Name).Stage
	return i == s.PhaseIndex && stage != Pending && stage != Undone
}

// asks lists the checks that a phase rests on.
func asks(p runbook.Phase) []string {
	var names []string
	for _, r := range p.Require {
		if r.Check != "" {
			names = append(names, r.Check)
		}
	}
	verifications := []*runbook.Verify{p.Verify, p.Rollback}
	for _, step := range p.Steps {
		verifications = append(verifications, step.Verify)
	}
	for _, v := range verifications {
		if v != nil {
			names = append(names, v.Checks...)
		}
	}
	if p.Gate != nil {
		names = append(names, p.Gate.Hold...)
	}
	return names
}

// amended takes another text. Whoever approved a phase that has not started
// approved the text before.
func (s *State) amended(rb *runbook.Runbook, ev Amended) {
	s.Digest = ev.Digest
	s.Given = slices.DeleteFunc(slices.Clone(s.Given), func(g Given) bool {
		if g.Kind != SignalApprove {
			return false
		}
		in := max(rb.Phase(g.Of), phaseOf(rb, g.Of))
		return in < 0 || !s.begun(in, rb.Phases[in])
	})
}

func connection(rb *runbook.Runbook, name string) runbook.Use {
	for _, c := range rb.Connections {
		if c.Name == name {
			return c.Use
		}
	}
	return runbook.Use{}
}

// The shapes are what counts of a part of a runbook: all but where it stands.
type useShape struct {
	Kind   string
	Params runbook.Params
}

func useOf(u runbook.Use) useShape { return useShape{u.Kind.Name, u.Params} }

func phaseShape(p runbook.Phase) any {
	type step struct {
		Def runbook.Step
		Use useShape
	}
	var steps []step
	for _, st := range p.Steps {
		use := useOf(st.Use)
		st.Use, st.Pos = runbook.Use{}, runbook.Pos{}
		st.Approve, st.Verify = still(st.Approve), fixed(st.Verify)
		steps = append(steps, step{st, use})
	}
	var require []runbook.Requirement
	for _, r := range p.Require {
		r.Pos = runbook.Pos{}
		require = append(require, r)
	}
	p.Steps, p.Require, p.Pos, p.Description = nil, require, runbook.Pos{}, ""
	p.Approve, p.Verify, p.Rollback = still(p.Approve), fixed(p.Verify), fixed(p.Rollback)
	if p.Gate != nil {
		g := *p.Gate
		g.Pos = runbook.Pos{}
		p.Gate = &g
	}
	return struct {
		Phase runbook.Phase
		Steps []step
	}{p, steps}
}

func still(a *runbook.Approval) *runbook.Approval {
	if a == nil {
		return nil
	}
	b := *a
	b.Pos = runbook.Pos{}
	return &b
}

func fixed(v *runbook.Verify) *runbook.Verify {
	if v == nil {
		return nil
	}
	w := *v
	w.Pos = runbook.Pos{}
	return &w
}

// same compares by JSON: shapes are plain data.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
