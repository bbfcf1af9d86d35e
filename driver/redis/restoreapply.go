package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// restoring is the cursor: which database is filled where, saved before anything
// is written.
type restoring struct {
	From   string      `json:"from"`
	Beside map[int]int `json:"beside"`
}

func restoringOf(raw json.RawMessage) (restoring, error) {
	var cur restoring
	if raw == nil {
		return cur, nil
	}
	if err := json.Unmarshal(raw, &cur); err != nil {
		return cur, fmt.Errorf("cursor of the restore of redis: %w", err)
	}
	return cur, nil
}

// Resume implements driver.Resumable.
func (r *restore) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return r.Apply(ctx, e)
}

// Apply implements driver.Action.
func (r *restore) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	now, err := r.Observe(ctx)
	if err != nil {
		return nil, err
	}
	from := ""
	var todo []int
	for id := range e.Want {
		var was, is, want restored
		_, err1 := e.Before.Decode(id, &was)
		_, err2 := now.Decode(id, &is)
		_, err3 := e.Want.Decode(id, &want)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		db, err := r.number(id)
		if err != nil {
			return nil, err
		}
		if want != was && is != want {
			from, todo = want.Restored, append(todo, db)
		}
	}
	if len(todo) == 0 {
		return now, nil
	}
	slices.Sort(todo)
	if err := r.apply(ctx, e, from, todo); err != nil {
		return nil, fmt.Errorf("%s: restore %s from %s: %w", r.c, names(todo), from, err)
	}
	return r.Observe(ctx)
}

func (r *restore) number(id string) (db int, err error) {
	if _, err = fmt.Sscanf(id[min(len(r.id), len(id)):], "/db/%d", &db); err != nil {
		return 0, fmt.Errorf("%s is no database of redis %s: %w", id, r.c.where, err)
	}
	return db, nil
}

func (r *restore) apply(ctx context.Context, e driver.Effect, from string, dbs []int) (err error) {
	dir, err := r.seek(ctx, from)
	if err != nil {
		return err
	}
	cur, err := restoringOf(e.Cursor)
	if err != nil {
		return err
	}
	usable, err := r.usable(ctx, cur, from, dbs)
	if err != nil {
		return err
	}
	if !usable {
		if cur, err = r.places(ctx, from, dbs); err != nil {
			return err
		}
		if err := e.Save(ctx, cur); err != nil {
			return err
		}
	}
	own, err := serve(ctx, filepath.Join(dir, rdbFile))
	if err != nil {
		return fmt.Errorf("read the dump: %w", err)
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	for _, db := range dbs {
		if err := r.beside(ctx, e, own, mark{From: from, Of: db, Beside: cur.Beside[db]}); err != nil {
			return fmt.Errorf("fill db%d, for db%d: %w; clients have what they had", cur.Beside[db], db, err)
		}
	}
	return r.swap(ctx, e.Mine, cur, dbs)
}

// usable reports whether the places that were chosen before are still to be had:
// empty, or half-filled for the same.
func (r *restore) usable(ctx context.Context, cur restoring, from string, dbs []int) (bool, error) {
	at, err := r.c.databases(ctx)
	if err != nil {
		return false, err
	}
	for _, db := range dbs {
		beside, chosen := cur.Beside[db]
		marks, has := at[beside]
		if !chosen || has && marks[fillingKey] != (mark{From: from, Of: db, Beside: beside}) {
			return false, nil
		}
	}
	return cur.From == from, nil
}

// seek finds the dump, and looks whether it is good still.
func (r *restore) seek(ctx context.Context, from string) (string, error) {
	dirs, err := r.from.All()
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		if r.name(dir) == from {
			return dir, r.from.Check(ctx, dir)
		}
	}
	return "", errors.New("it is not there any more")
}

// places chooses an empty database for each, the last ones first: clients use the
// first ones.
func (r *restore) places(ctx context.Context, from string, dbs []int) (restoring, error) {
	empty, _, err := r.c.empty(ctx)
	if err != nil {
		return restoring{}, err
	}
	empty = slices.DeleteFunc(empty, func(db int) bool { return slices.Contains(dbs, db) })
	if len(empty) < len(dbs) {
		return restoring{}, fmt.Errorf("only %d databases are empty any more", len(empty))
	}
	cur := restoring{from, map[int]int{}}
	for i, db := range dbs {
		cur.Beside[db] = empty[len(empty)-1-i]
	}
	return cur, nil
}

// swap has databases change places, all at once, and says in each what it is.
func (r *restore) swap(ctx context.Context, mine func() error, cur restoring, dbs []int) error {
	at, err := r.c.databases(ctx)
	if err != nil {
		return err
	}
	return r.exchange(ctx, mine, func(p redis.Pipeliner) {
		for _, db := range dbs {
			m := mark{From: cur.From, Of: db, Beside: cur.Beside[db]}
			if before, ok := at[db][restoredKey]; ok {
				m.Before = before.String()
			}
			p.Do(ctx, "select", db)
			p.Del(ctx, restoredKey)
			p.Set(ctx, replacedKey, m.String(), 0)
			p.Do(ctx, "swapdb", db, m.Beside)
			p.Del(ctx, fillingKey)
			p.Set(ctx, restoredKey, m.String(), 0)
		}
	})
}

// exchange runs one transaction, on a connection of its own: it ends in another
// database than it began.
func (r *restore) exchange(ctx context.Context, mine func() error, f func(redis.Pipeliner)) error {
	client := r.c.at(r.c.db)
	defer func() { _ = client.Close() }()
	if err := mine(); err != nil {
		return err
	}
	return r.c.ask(ctx, func(ctx context.Context) error {
		_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error { f(p); return nil })
		return err
	})
}
