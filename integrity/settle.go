package integrity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
)

// portion is how many keys are looked at in one question.
const portion = 500

// A look is what both sides have under one key.
type look struct {
	key    []string
	fields []string
	sides  pair[[][]*string] // values by fields, of each record
}

// equal reports that both have the same records, in any order.
func (l look) equal() bool {
	return slices.EqualFunc(l.sides.left, l.sides.right, func(a, b []*string) bool { return slices.EqualFunc(a, b, sameText) })
}

func sameText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

type print [sha256.Size]byte

// print tells whether anything has changed since another look.
func (l look) print() print {
	raw, err := json.Marshal([]any{l.sides.left, l.sides.right})
	if err != nil {
		panic("integrity: texts are not JSON: " + err.Error())
	}
	return sha256.Sum256(raw)
}

// settling looks again at what differs, until it is equal or holds still.
type settling struct {
	open     func(context.Context) (pair[driver.View], error)
	form     driver.Form
	every    time.Duration // from one look to the next; 0: one is enough
	patience time.Duration // for how long
}

// run looks at keys in views, and then in others, and reports each that differs.
// What is left keeps changing.
func (s settling) run(ctx context.Context, views pair[driver.View], keys [][]string, differs func(look)) (left, settled int, err error) {
	seen := map[string]print{}
	once := func(v pair[driver.View], ask [][]string) (again [][]string, err error) {
		return again, s.look(ctx, v, ask, func(l look) {
			id := strings.Join(l.key, "\x00")
			last, before := seen[id]
			now := l.print()
			switch {
			case l.equal():
				settled++
				delete(seen, id)
			case s.every == 0, before && last == now:
				differs(l)
				delete(seen, id)
			default:
				seen[id] = now
				again = append(again, l.key)
			}
		})
	}
	keys, err = once(views, keys)
	closeAll(views)
	end := time.Now().Add(s.patience)
	for err == nil && len(keys) > 0 && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return len(keys), settled, nil // those keep changing, as far as one can say
		case <-time.After(s.every):
		}
		var v pair[driver.View]
		if v, err = s.open(ctx); err != nil {
			break
		}
		keys, err = once(v, keys)
		closeAll(v)
	}
	if err != nil && ctx.Err() != nil && len(seen) > 0 {
		return len(seen), settled, nil
	}
	return len(keys), settled, err
}

// look asks both sides for some keys.
func (s settling) look(ctx context.Context, v pair[driver.View], keys [][]string, tell func(look)) error {
	var fields []string
	for _, f := range s.form.Fields {
		fields = append(fields, f.Name)
	}
	for ask := range slices.Chunk(keys, portion) {
		seen, err := both(ctx, v, func(ctx context.Context, v driver.View) (map[string][][]*string, error) {
			found, err := v.Look(ctx, s.form, ask)
			by := map[string][][]*string{}
			for _, f := range found {
				id := strings.Join(f.Key, "\x00")
				by[id] = append(by[id], f.Values)
			}
			for _, records := range by {
				slices.SortFunc(records, func(a, b []*string) int { return slices.CompareFunc(a, b, orderTexts) })
			}
			return by, err
		})
		if err != nil {
			return err
		}
		for _, key := range ask {
			id := strings.Join(key, "\x00")
			tell(look{key, fields, pair[[][]*string]{seen.left[id], seen.right[id]}})
		}
	}
	return nil
}

func orderTexts(a, b *string) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return strings.Compare(*a, *b)
}
