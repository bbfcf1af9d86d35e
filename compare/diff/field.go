package diff

import "sync"

// A field is what the rules say of one place in a document, whichever item of
// an array it is in. Fields are made as documents show them.
type field struct {
	segments []segment
	path     string // robots[*].status

	ignore, unordered bool
	data              bool // the names of its members are data
	keys              []string
	within            *tolerance
	words             map[string]string
	rename            string

	patterns []pattern
	mu       sync.RWMutex
	members  map[string]*field
	items    *field
}

// mostMembers bounds what is remembered of an object whose names are data.
const mostMembers = 10_000

func (f *field) learn(patterns []pattern) {
	f.patterns = patterns
	for _, p := range patterns {
		if fits(p.path, f.segments) {
			p.apply(f)
		}
	}
}

// member is the field of a member.
func (f *field) member(name string) *field {
	s := segment{name: name}
	if f.data {
		name, s = "*", segment{is: any1}
	}
	f.mu.RLock()
	m := f.members[name]
	f.mu.RUnlock()
	if m != nil {
		return m
	}
	m = f.child(s, f.memberPath(name))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.members == nil {
		f.members = map[string]*field{}
	}
	if known := f.members[name]; known != nil {
		return known
	}
	if len(f.members) < mostMembers {
		f.members[name] = m
	}
	return m
}

func (f *field) memberPath(name string) string {
	if f.data {
		return f.path + ".*"
	}
	return join(f.path, name)
}

// item is the field of the items.
func (f *field) item() *field {
	f.mu.RLock()
	m := f.items
	f.mu.RUnlock()
	if m != nil {
		return m
	}
	m = f.child(segment{is: item}, f.path+"[*]")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.items == nil {
		f.items = m
	}
	return f.items
}

func (f *field) child(s segment, path string) *field {
	m := &field{segments: append(f.segments[:len(f.segments):len(f.segments)], s), path: path}
	m.learn(f.patterns)
	return m
}
