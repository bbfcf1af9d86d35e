package nats

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf is a list that a server gives by pages of four, and that changes.
type shelf struct {
	names  []string
	after  map[int]func(*shelf) // what happens after so many pages
	served int
}

func newShelf(n int) *shelf {
	s := &shelf{after: map[int]func(*shelf){}}
	for i := range n {
		s.names = append(s.names, fmt.Sprintf("S%02d", i))
	}
	return s
}

func (s *shelf) page(offset int) (out []item[int], total int, err error) {
	rest := s.names[min(offset, len(s.names)):]
	for _, name := range rest[:min(4, len(rest))] {
		out = append(out, item[int]{name, new(int)})
	}
	total = len(s.names)
	s.served++
	if change := s.after[s.served]; change != nil {
		change(s)
	}
	return out, total, nil
}

func (s *shelf) drop(name string) {
	s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == name })
}

func (s *shelf) put(name string) { s.names = append(s.names, name); slices.Sort(s.names) }

func TestAListThatChangesBetweenItsPagesIsReadWhole(t *testing.T) {
	for what, change := range map[string]func(*shelf){
		"nothing":                        func(*shelf) {},
		"one of the first page goes":     func(s *shelf) { s.drop("S01") },
		"the last of the first page":     func(s *shelf) { s.drop("S03") },
		"all of the first page":          func(s *shelf) { s.names = s.names[4:] },
		"one before all comes":           func(s *shelf) { s.put("A") },
		"one of the second page goes":    func(s *shelf) { s.drop("S05") },
		"one comes on the second page":   func(s *shelf) { s.put("S04x") },
		"one goes and another one comes": func(s *shelf) { s.drop("S00"); s.put("S02x") },
		"the rest goes":                  func(s *shelf) { s.names = s.names[:4] },
		"everything goes":                func(s *shelf) { s.names = nil },
	} {
		t.Run(what, func(t *testing.T) {
			s := newShelf(13)
			s.after[1] = change
			all, err := pages(s.page)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]int{}
			for _, one := range all {
				seen[one.name]++
			}
			for _, name := range s.names {
				if seen[name] != 1 && what != "one goes and another one comes" || seen[name] > 1 {
					t.Errorf("%s is listed %d times", name, seen[name])
				}
			}
			for _, stays := range []string{"S04", "S08", "S12"} { // there before and afterwards
				if slices.Contains(s.names, stays) && seen[stays] != 1 {
					t.Errorf("%s was there all the time, and is listed %d times", stays, seen[stays])
				}
			}
		})
	}
}

func TestAListThatNeverHoldsStillIsNotGiven(t *testing.T) {
	s := newShelf(200)
	for i := range 100 {
		s.after[i] = func(s *shelf) { s.names = s.names[1:] }
	}
	if all, err := pages(s.page); err == nil || !strings.Contains(err.Error(), "faster than it can be read") {
		t.Errorf("%d, error %v", len(all), err)
	}
}

// The server names one whose nodes are all away among the streams and among the
// missing: it does not count for two, or another would be left out.
func TestWhoIsNamedTwiceOnAPageIsOne(t *testing.T) {
	names := []string{"S0", "S1", "S2", "S3", "S4"}
	all, err := pages(func(offset int) (out []item[int], total int, err error) {
		for _, name := range names[offset:min(offset+3, len(names))] {
			out = append(out, item[int]{name, new(int)})
		}
		if offset == 0 {
			out = unanswered(out, []string{"S0", "S1"}, map[string]string{"S1": "no such version"})
		}
		return out, len(names), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	there, missing := apart(all)
	if d := cmp.Diff([]string{"S0", "S1"}, missing); d != "" || len(there) != 3 {
		t.Errorf("%d are there; missing (-want +got):\n%s", len(there), d)
	}
}
