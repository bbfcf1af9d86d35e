package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Outline is what remains of a state when times, epochs and attempts are left
// out, as text: two runs that came to the same have the same outline, however
// often one of them crashed on the way.
func (s *State) Outline() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s: %s, phase %d, floor %q\n", s.Name, s.Status, s.PhaseIndex, s.Floor)
	for _, name := range slices.Sorted(maps.Keys(s.Phases)) {
		p := s.Phases[name]
		fmt.Fprintf(&b, "phase %s: %s\n", name, p.Stage)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Steps)) {
		st := s.Steps[id]
		if !st.Intended && st.Stage != Undone && st.Stage != Skipped {
			continue
		}
		fmt.Fprintf(&b, "step %s: %s changed=%t before=%s want=%s after=%s", id, st.Stage, st.Changed, compact(st.Before), compact(st.Want), compact(st.After))
		if st.Kept != nil {
			fmt.Fprintf(&b, " kept=%s", st.Kept.What)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "order: %s\n", strings.Join(s.Order, " "))
	if r := s.Rollback; r != nil && r.Ended != nil {
		fmt.Fprintf(&b, "rollback to %s: %s\n", r.Phase, r.Ended.Result)
	}
	return b.String()
}

func compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
