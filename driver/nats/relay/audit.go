package relay

import "slices"

// A Finding is what an audit found wrong. Missing messages are in no stream;
// Extra are sequences in the new stream of copies too many; Unheard of messages
// that the relay did not hear, which are never taken out.
type Finding struct {
	Missing   []*Heard
	Extra     []uint64
	Unheard   []uint64
	Reordered int
	Repeats   int
	// Published counts, by subject, what was published and is not in the old
	// stream, repeats left out.
	Published map[string]uint64
}

// Clean: every message is where it belongs, once.
func (f *Finding) Clean() bool { return len(f.Missing)+len(f.Extra)+len(f.Unheard) == 0 }

// Audit compares what was heard between two marks with what the old stream
// stored of it and what the new one took, copies of the old one's left out.
func Audit(heard []*Heard, old, taken []Stored) *Finding {
	f := &Finding{Published: map[string]uint64{}}
	inOld := map[string]int{}
	for i := range old {
		inOld[old[i].key()]++
	}
	inNew := map[string][]uint64{}
	for i := range taken {
		k := taken[i].key()
		inNew[k] = append(inNew[k], taken[i].Seq)
	}
	ids, known := map[string]bool{}, map[string]bool{}
	expected := map[string][]*Heard{}
	var published []*Heard
	for _, h := range heard {
		k, id := h.key(), h.id()
		known[k] = true
		if id != "" && ids[id] {
			f.Repeats++
			continue
		}
		ids[id] = true
		if inOld[k] > 0 {
			inOld[k]--
			continue
		}
		f.Published[h.msg.Subject]++
		published = append(published, h)
		expected[k] = append(expected[k], h)
	}
	left := inOrder(published, inNew)
	for k, hs := range expected {
		for lack := len(hs) - len(inNew[k]); lack > 0; lack-- {
			f.Missing = append(f.Missing, mostLikely(hs, f.Missing))
		}
		f.Extra = append(f.Extra, left[k]...)
	}
	slices.SortFunc(f.Missing, func(a, b *Heard) int { return a.at - b.at })
	for k, seqs := range inNew {
		switch {
		case expected[k] != nil:
		case known[k]: // the old stream has it after all
			f.Extra = append(f.Extra, seqs...)
		default:
			f.Unheard = append(f.Unheard, seqs...)
		}
	}
	slices.Sort(f.Extra)
	slices.Sort(f.Unheard)
	f.Reordered = reordered(heard, taken)
	return f
}

// inOrder leaves each published message one of its copies, the first that comes
// after what its subject's message before it was left, and returns the copies too
// many. What the relay forwarded and what came directly are two lanes: a message
// may come directly before the relay's copy of the one before it.
func inOrder(published []*Heard, inNew map[string][]uint64) (extra map[string][]uint64) {
	extra = map[string][]uint64{}
	for k, seqs := range inNew {
		extra[k] = slices.Sorted(slices.Values(seqs))
	}
	latest := map[string]uint64{}
	for _, h := range published {
		k, subject := h.key(), h.msg.Subject
		left := extra[k]
		if len(left) == 0 {
			continue
		}
		i := slices.IndexFunc(left, func(seq uint64) bool { return seq > latest[subject] })
		if i < 0 {
			i = len(left) - 1
		}
		latest[subject] = max(latest[subject], left[i])
		extra[k] = slices.Delete(left, i, i+1)
	}
	return extra
}

// mostLikely is the one of equal messages that is missing, if one is: such as
// were not forwarded, then such as got no answer.
func mostLikely(published, already []*Heard) *Heard {
	for _, may := range []func(*Heard) bool{
		func(h *Heard) bool { return !h.forwarded },
		func(h *Heard) bool { return h.own && h.ack == 0 },
		func(*Heard) bool { return true },
	} {
		for _, h := range published {
			if may(h) && !slices.Contains(already, h) {
				return h
			}
		}
	}
	return published[0]
}

// reordered counts messages that a stream holds after one of their subject that
// was published later. Of equal ones the first stored is the first published.
func reordered(heard []*Heard, taken []Stored) int {
	places := map[string][]int{}
	for _, h := range heard {
		if !h.stored {
			places[h.key()] = append(places[h.key()], h.at)
		}
	}
	latest := map[string]int{}
	n := 0
	for i := range taken {
		k, subject := taken[i].key(), taken[i].Subject
		if len(places[k]) == 0 {
			continue
		}
		at := places[k][0]
		places[k] = places[k][1:]
		if at < latest[subject] {
			n++
		}
		latest[subject] = max(latest[subject], at)
	}
	return n
}

// Both are the messages of b that are in a too.
func Both(a, b []*Heard) []*Heard {
	places := map[int]bool{}
	for _, h := range a {
		places[h.at] = true
	}
	return slices.DeleteFunc(slices.Clone(b), func(h *Heard) bool { return !places[h.at] })
}

// Equal counts messages without a Nats-Msg-Id that equal an earlier one.
func Equal(taken []Stored) int {
	seen := map[string]bool{}
	n := 0
	for i := range taken {
		k := taken[i].key()
		if seen[k] && taken[i].Header.Get("Nats-Msg-Id") == "" {
			n++
		}
		seen[k] = true
	}
	return n
}
