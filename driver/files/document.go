package files

// A document is what was understood of a file's bytes.
type document interface {
	// get is the value at a key; ok is false when there is none. It refuses,
	// with its place, what set could not change.
	get(keyPath) (v any, ok bool, err error)
	// look is get for who only reads: it goes through aliases and merges.
	look(keyPath) (v any, ok bool, err error)
	// set gives the splices that make v the value at a key; unset those that
	// take the key out.
	set(k keyPath, v any) ([]splice, error)
	unset(keyPath) ([]splice, error)
	// leaves are the scalars at and beneath a key, where they stand in the
	// bytes.
	leaves(keyPath) []leaf
	// before is the key that stands right before the given one, "" if none.
	before(keyPath) string
	// putBack gives the splices that put text (whole lines that were taken
	// out) behind the key that stood before.
	putBack(k keyPath, after, text string) ([]splice, error)
	// differs says where the documents differ other than at the given keys.
	differs(now document, except []keyPath) error
}

// A format reads bytes as a document; name is the file's, for errors.
type format func(name string, src []byte) (document, error)

// A leaf is a scalar in a document's bytes.
type leaf struct {
	at, end int
	in      []string // the way to it from the key's value
	as      string   // how it is written, for textAs
	v       any
}
