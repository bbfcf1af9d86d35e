package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
)

// Undo has the databases change places again, all at once. What was restored, with
// what was written since, is then where the other was: nothing of it is deleted.
// Where what was there is gone, it cannot be undone, and stays as it is.
func (r *restore) Undo(ctx context.Context, e driver.Effect) error {
	cur, err := restoringOf(e.Cursor)
	if err != nil || cur.From == "" {
		return err
	}
	at, err := r.c.databases(ctx)
	if err != nil {
		return err
	}
	u := undo{fields: map[string][]string{}}
	for _, db := range slices.Sorted(maps.Keys(cur.Beside)) {
		if err := r.look(ctx, e, &u, at, mark{From: cur.From, Of: db, Beside: cur.Beside[db]}); err != nil {
			return fmt.Errorf("undo: %w", err)
		}
	}
	if len(u.back) > 0 {
		if err := r.exchange(ctx, e.Mine, func(p redis.Pipeliner) {
			for _, m := range u.back {
				r.back(ctx, p, m)
			}
		}); err != nil {
			return fmt.Errorf("undo: %w", err)
		}
	}
	return u.kept(r.c.where)
}

// undo is what is to be done, and what cannot be.
type undo struct {
	back   []mark // swapped back
	beside []int  // where what was restored stays
	lost   []int  // what was there before is gone
	fields map[string][]string
}

// look finds out how far the restore of one database has got.
func (r *restore) look(ctx context.Context, e driver.Effect, u *undo, at map[int]map[string]mark, m mark) error {
	same := func(is mark) bool { return is.From == m.From && is.Of == m.Of && is.Beside == m.Beside }
	live, beside := at[m.Of], at[m.Beside]
	switch {
	case same(live[restoredKey]) && same(beside[replacedKey]):
		u.back, u.beside = append(u.back, beside[replacedKey]), append(u.beside, m.Beside)
	case same(live[restoredKey]):
		u.lost = append(u.lost, m.Of)
		u.fields[r.dbID(m.Of)] = []string{"*"}
	case same(beside[undoneKey]):
		u.beside = append(u.beside, m.Beside)
	case same(beside[fillingKey]):
		client := r.c.at(m.Beside)
		defer func() { _ = client.Close() }()
		return r.clear(ctx, e.Mine, client, m)
	}
	return nil
}

func (r *restore) back(ctx context.Context, p redis.Pipeliner, m mark) {
	p.Do(ctx, "select", m.Of)
	p.Del(ctx, restoredKey)
	p.Set(ctx, undoneKey, m.String(), 0)
	p.Do(ctx, "swapdb", m.Of, m.Beside)
	p.Del(ctx, replacedKey)
	if m.Before != "" {
		p.Set(ctx, restoredKey, m.Before, 0)
	}
}

// kept says what stays; nil if nothing does.
func (u undo) kept(where string) error {
	k := &driver.Kept{Fields: u.fields}
	var what, cost []string
	if len(u.beside) > 0 {
		what = append(what, fmt.Sprintf("%s of redis %s", names(u.beside), where))
		cost = append(cost, "what was restored, with what was written since; it takes memory")
		k.Hint = fmt.Sprintf("once nobody needs it: redis-cli -n %d flushdb", u.beside[0])
	}
	if len(u.lost) > 0 {
		what = append(what, fmt.Sprintf("%s of redis %s as restored", names(u.lost), where))
		cost = append(cost, "what was there before was put aside, and somebody has cleared that: it cannot be had back")
	}
	if len(what) == 0 {
		return nil
	}
	k.What, k.Cost = strings.Join(what, "; "), strings.Join(cost, "; ")
	return k
}
