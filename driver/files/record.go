package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A record is a step's cursor: what it does to the bytes, one key after the
// other, so that an undo can give the very same bytes back.
type record struct {
	Edits  []edit `json:"edits"`
	Length int    `json:"length"` // of the file with all edits made
}

// An edit is one key's. Places are those in the bytes before the edit.
type edit struct {
	Key string `json:"key"`
	// After is the key behind which it stood, if it was taken out.
	After string `json:"after,omitempty"`
	// Above counts the parents that came to be with it.
	Above int   `json:"above,omitempty"`
	Cuts  []cut `json:"cuts"`
}

type cut struct {
	At  int     `json:"at"`
	Was []piece `json:"was,omitempty"`
	Now []piece `json:"now,omitempty"`
}

// A piece is text, or a value of the sealed state and how it is written: so no
// value stands in the record, which is for everybody to see.
type piece struct {
	Text string   `json:"text,omitempty"`
	In   []string `json:"in,omitempty"` // the way from the key's value to this one
	As   string   `json:"as,omitempty"`
}

// pieces takes the values out of the text that src has from at to end.
func pieces(src []byte, at, end int, leaves []leaf, secret func([]string, any) bool) []piece {
	var out []piece
	say := func(from, to int) {
		if from < to {
			out = append(out, piece{Text: string(src[from:to])})
		}
	}
	for _, l := range leaves {
		if l.at < at || l.end > end {
			continue
		}
		text, ok := textAs(l.v, l.as)
		_, isText := l.v.(string)
		switch exact := ok && text == string(src[l.at:l.end]); {
		case exact:
		case !secret(l.in, l.v):
			continue // 0x1f, ~ and the like: how it was written says more
		case isText: // it comes back as the same text, in quotes
			l.as = asDouble
		default:
			l.as = asPlain
		}
		say(at, l.at)
		out, at = append(out, piece{In: l.in, As: l.as}), l.end
	}
	say(at, end)
	return out
}

// written is the text of pieces, with the values of v.
func written(list []piece, v any) (string, error) {
	var b strings.Builder
	for _, p := range list {
		if p.As == "" {
			b.WriteString(p.Text)
			continue
		}
		part, ok := within(v, p.In)
		if !ok {
			return "", fmt.Errorf("the state has no value at %s", strings.Join(p.In, "."))
		}
		text, ok := textAs(part, p.As)
		if !ok {
			return "", fmt.Errorf("the value at %s cannot be written as %s", strings.Join(p.In, "."), p.As)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// change is one key and what is to become of it.
type change struct {
	key keyPath
	v   any
	set bool // or unset
}

// A work is bytes on the way from what they were to what they are to be.
type work struct {
	name   string
	parse  format
	src    []byte
	doc    document
	secret func(k keyPath, in []string, v any) bool
}

func newWork(name string, parse format, src []byte, secret func(keyPath, []string, any) bool) (*work, error) {
	doc, err := parse(name, src)
	if err != nil {
		return nil, err
	}
	return &work{name, parse, src, doc, secret}, nil
}

// is reports whether a key is as a change wants it.
func (w *work) is(c change) (bool, error) {
	v, ok, err := w.doc.get(c.key)
	if err != nil || ok != c.set {
		return false, err
	}
	return !ok || equal(v, c.v), nil
}

func equal(a, b any) bool {
	return string(sealer{}.encode(nil, a)) == string(sealer{}.encode(nil, b))
}

// make makes one change, and looks whether exactly that came of it.
func (w *work) make(c change) (edit, error) {
	e := edit{Key: c.key.String(), Above: w.missingAbove(c.key)}
	var splices []splice
	var err error
	if c.set {
		splices, err = w.doc.set(c.key, c.v)
	} else {
		e.After = w.doc.before(c.key)
		splices, err = w.doc.unset(c.key)
	}
	if err != nil {
		return e, err
	}
	old, leaves := w.src, w.doc.leaves(c.key)
	if err := w.take(splices, c); err != nil {
		return e, err
	}
	secret := func(in []string, v any) bool { return w.secret(c.key, in, v) }
	moved := 0
	made := w.doc.leaves(c.key)
	for _, s := range inOrder(splices) {
		at := s.at + moved
		e.Cuts = append(e.Cuts, cut{s.at, pieces(old, s.at, s.end, leaves, secret), pieces(w.src, at, at+len(s.now), made, secret)})
		moved += len(s.now) - (s.end - s.at)
	}
	return e, nil
}

func inOrder(splices []splice) []splice {
	return slices.SortedStableFunc(slices.Values(splices), func(a, b splice) int { return a.at - b.at })
}

func (w *work) missingAbove(k keyPath) int {
	n := 0
	for i := len(k) - 1; i > 0; i-- {
		if _, ok, err := w.doc.get(k[:i]); ok || err != nil {
			break
		}
		n++
	}
	return n
}

// take makes splices if what comes of them is the change and nothing else.
func (w *work) take(splices []splice, c change) error {
	refuse := func(why string) error {
		at := 0
		if len(splices) > 0 {
			at = inOrder(splices)[0].at
		}
		return &placed{place(w.name, w.src, at), c.key.String() + " cannot be changed by itself: " + why, "change it by hand, or write this place more simply"}
	}
	src := spliced(w.src, splices)
	doc, err := w.parse(w.name, src)
	if err != nil {
		return refuse("what would come of it is broken")
	}
	next := &work{w.name, w.parse, src, doc, w.secret}
	if ok, err := next.is(c); err != nil || !ok {
		return refuse("it would not be as wanted")
	}
	if err := w.doc.differs(doc, []keyPath{c.key}); err != nil {
		return refuse(err.Error())
	}
	w.src, w.doc = src, doc
	return nil
}

// place is file:line:column.
func place(name string, src []byte, at int) string {
	start := lineStart(src, at)
	return fmt.Sprintf("%s:%d:%d", name, 1+bytes.Count(src[:at], []byte("\n")), 1+utf8.RuneCount(src[start:at]))
}

// all makes all changes that are needed, and sees that they can be taken back
// to before.
func (w *work) all(changes, before []change) (record, error) {
	r := record{Edits: []edit{}}
	for _, c := range changes {
		if ok, err := w.is(c); err != nil {
			return r, err
		} else if ok {
			continue
		}
		e, err := w.make(c)
		if err != nil {
			return r, err
		}
		r.Edits = append(r.Edits, e)
	}
	r.Length = len(w.src)
	again := *w
	if err := again.back(r, before, changes); err != nil {
		return r, fmt.Errorf("it could not be undone: %w", err)
	}
	return r, nil
}

// recorded takes a cursor back; none is an empty record.
func recorded(cursor json.RawMessage) (record, error) {
	var r record
	if cursor == nil {
		return r, nil
	}
	if err := json.Unmarshal(cursor, &r); err != nil {
		return r, fmt.Errorf("the step's cursor: %w", err)
	}
	return r, nil
}
