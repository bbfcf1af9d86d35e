package runbook

import (
	"iter"
	"slices"
	"strings"
)

// A suggester finds the known name that a misspelt one was meant to be. It
// stops looking after a while: a file full of wrong names gets fewer hints,
// not minutes of search.
type suggester struct{ looked int }

const (
	maxLooks = 200_000
	maxName  = 64 // longer names are neither allowed nor compared
)

// nearest returns the known name closest to a wrong one, or "".
func (s *suggester) nearest(wrong string, known iter.Seq[string]) string {
	best, bestDist := "", max(1, min(4, len(wrong)/3))+1
	if len(wrong) > maxName {
		return ""
	}
	lower := strings.ToLower(wrong)
	for name := range known {
		if s.looked++; s.looked > maxLooks {
			return best
		}
		if len(name) > maxName || abs(len(name)-len(wrong)) >= bestDist {
			continue
		}
		if d := distance(lower, strings.ToLower(name)); d < bestDist || d == bestDist && best != "" && name < best {
			best, bestDist = name, d
		}
	}
	return best
}

// remedy says what to write for a name that is not known: the nearest one, or
// all of them when they are few.
func (s *suggester) remedy(wrong string, known iter.Seq[string], none string) string {
	if near := s.nearest(wrong, known); near != "" {
		return "did you mean " + near + "?"
	}
	const few = 12
	var names []string
	for name := range known {
		if names = append(names, name); len(names) > few {
			return none
		}
	}
	if len(names) == 0 {
		return none
	}
	slices.Sort(names)
	return "known: " + strings.Join(names, ", ")
}

// Suggest says what may have been meant by a name that is not among those known.
func Suggest(wrong string, known []string) string {
	return (&suggester{}).remedy(wrong, slices.Values(known), "known: "+strings.Join(known, ", "))
}

// distance is Levenshtein's, with a swap of neighbours counted as one.
func distance(a, b string) int {
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

func abs(n int) int { return max(n, -n) }
