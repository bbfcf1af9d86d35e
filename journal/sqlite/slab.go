package sqlite

// A slab copies many small byte strings into few large ones: reading a long
// journal is otherwise mostly allocation.
type slab []byte

const slabSize = 64 << 10

func (s *slab) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > cap(*s)-len(*s) {
		*s = make([]byte, 0, max(slabSize, len(b)))
	}
	start := len(*s)
	*s = append(*s, b...)
	return (*s)[start:len(*s):len(*s)]
}

// interned gives equal strings once: a journal has few types of events.
type interned map[string]string

func (m interned) of(b []byte) string {
	if s, ok := m[string(b)]; ok {
		return s
	}
	s := string(b)
	m[s] = s
	return s
}
