package files

import "slices"

// back takes a record back. Where the file is as the record left it, the very
// bytes come back; where others have changed it since, their changes stay, and
// the keys get their old values and as much of their old text as has a place.
// before are all the step's keys as they were, want as it left them.
func (w *work) back(r record, before, want []change) error {
	length := r.Length
	for _, e := range slices.Backward(r.Edits) {
		was, ok := find(before, e.Key)
		made, also := find(want, e.Key)
		if !ok || !also {
			continue
		}
		// Others may have made the file longer or shorter: then what stands
		// behind their change has moved by that much.
		moved := len(w.src) - length
		length += e.shrinks(was.v, made.v)
		if done, err := w.is(was); err == nil && done {
			continue
		}
		if w.exact(e, 0, was, made, moved == 0) || moved != 0 && w.exact(e, moved, was, made, false) {
			continue
		}
		w.roughly(e, was)
	}
	for _, c := range before {
		if ok, err := w.is(c); err != nil {
			return err
		} else if ok {
			continue
		}
		if _, err := w.make(c); err != nil {
			return err
		}
		w.prune(r, c)
	}
	return nil
}

// prune takes out parents that came to be with a key, if nothing is in them.
func (w *work) prune(r record, c change) {
	i := slices.IndexFunc(r.Edits, func(e edit) bool { return e.Key == c.key.String() })
	if i < 0 || c.set {
		return
	}
	for n := range min(r.Edits[i].Above, len(c.key)-1) {
		parent := c.key[:len(c.key)-1-n]
		v, ok, err := w.doc.get(parent)
		if m, empty := v.(map[string]any); err != nil || !ok || !empty || len(m) > 0 {
			return
		}
		if _, err := w.make(change{key: parent}); err != nil {
			return
		}
	}
}

func find(changes []change, key string) (change, bool) {
	i := slices.IndexFunc(changes, func(c change) bool { return c.key.String() == key })
	if i < 0 {
		return change{}, false
	}
	return changes[i], true
}

// shrinks is by how much taking the edit back makes the file longer.
func (e edit) shrinks(was, now any) int {
	n := 0
	for _, c := range e.Cuts {
		w, _ := written(c.Was, was)
		m, _ := written(c.Now, now)
		n += len(w) - len(m)
	}
	return n
}

// exact puts the old text where the new one stands, if it does; what is put
// where nothing stands needs a file that nobody else has changed.
func (w *work) exact(e edit, moved int, was, now change, untouched bool) bool {
	var splices []splice
	for _, c := range e.Cuts {
		old, err := written(c.Was, was.v)
		if err != nil {
			return false
		}
		made, err := written(c.Now, now.v)
		if err != nil || made == "" && !untouched {
			return false
		}
		at := c.At + moved
		if at < 0 || at+len(made) > len(w.src) || string(w.src[at:at+len(made)]) != made {
			return false
		}
		splices = append(splices, splice{at, at + len(made), old})
		moved += len(made) - len(old)
	}
	return len(splices) > 0 && w.take(splices, was) == nil
}

// roughly puts the old text of a value in the place of the new one, or whole
// lines behind the key behind which they stood. What it cannot do is left.
func (w *work) roughly(e edit, was change) {
	if len(e.Cuts) != 1 || !was.set {
		return
	}
	c := e.Cuts[0]
	text, err := written(c.Was, was.v)
	if err != nil {
		return
	}
	if len(c.Now) == 0 {
		if splices, err := w.doc.putBack(was.key, e.After, text); err == nil {
			_ = w.take(splices, was)
		}
		return
	}
	if leaves := w.doc.leaves(was.key); len(leaves) == 1 && len(leaves[0].in) == 0 {
		_ = w.take([]splice{{leaves[0].at, leaves[0].end, text}}, was)
	}
}
