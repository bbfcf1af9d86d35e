package nats

import (
	"errors"
	"slices"
	"strings"
)

// An item is one of a list that the server gives page by page. what is nil if
// nobody answered for it.
type item[T any] struct {
	name string
	what *T
}

// readings is how often a list is begun anew that changes while it is read.
const readings = 10

// pages reads a whole list. The server sorts by name and counts off what it has
// at each page: what is deleted between two pages moves the rest up, and one
// that stays would be left out. So each page begins with the one with which the
// last page ended, and where that is another now, the list is read anew.
func pages[T any](read func(offset int) (page []item[T], total int, err error)) ([]item[T], error) {
	for range readings {
		all, whole, err := pass(read)
		if err != nil || whole {
			return all, err
		}
	}
	return nil, errors.New("the list changes faster than it can be read")
}

// pass reads a list once. whole is false if it has changed meanwhile.
func pass[T any](read func(offset int) ([]item[T], int, error)) (all []item[T], whole bool, err error) {
	for {
		page, total, err := read(max(len(all)-1, 0))
		if err != nil {
			return nil, false, err
		}
		page = once(page)
		if len(all) > 0 {
			if len(page) == 0 || page[0].name != all[len(all)-1].name {
				return nil, false, nil
			}
			page = page[1:]
		}
		all = append(all, page...)
		if len(all) >= total {
			return all, true, nil
		}
		if len(page) == 0 { // there were more a moment ago
			return nil, false, nil
		}
	}
}

// once sorts a page, in which the server may name one in several ways: as one
// that it knows of, as one that is offline and as one that did not answer. The
// last of these counts.
func once[T any](page []item[T]) []item[T] {
	slices.SortStableFunc(page, func(a, b item[T]) int { return strings.Compare(a.name, b.name) })
	var out []item[T]
	for _, one := range page {
		if n := len(out); n > 0 && out[n-1].name == one.name {
			out[n-1] = one
			continue
		}
		out = append(out, one)
	}
	return out
}

// unanswered adds those of a page for whom nobody answered.
func unanswered[T any](page []item[T], missing []string, offline map[string]string) []item[T] {
	for _, name := range missing {
		page = append(page, item[T]{name: name})
	}
	for name := range offline {
		page = append(page, item[T]{name: name})
	}
	return page
}

// apart tells those who answered from those who did not.
func apart[T any](all []item[T]) (there []T, missing []string) {
	missing = []string{}
	for _, one := range all {
		if one.what == nil {
			missing = append(missing, one.name)
		} else {
			there = append(there, *one.what)
		}
	}
	return there, missing
}
