package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// restore gives databases back what a dump has of them.
//
//	fill   each is filled beside, in a database of the same server that is empty
//	check  the keys and when they expire are compared with the dump
//	swap   all change places with what is live, in one transaction (SWAPDB)
//
// So clients see what was there or what is restored, and nothing between. What was
// there stays in the other database, until somebody clears it: that is what undo
// swaps back. A key in each of the two says what it is. Databases that the dump has
// nothing of stay as they are.
type restore struct {
	c    *Conn
	from driver.Dumps
	only []int // all that the dump has, if empty
	id   string
}

var _ driver.Returner = (*Conn)(nil)

// Keys that say what a database is. Their values are marks.
const (
	fillingKey  = "segue:filling"  // it is being filled
	restoredKey = "segue:restored" // it is live, and was restored
	replacedKey = "segue:replaced" // it was live, until another took its place
	undoneKey   = "segue:undone"   // it was restored, and live until that was undone
)

// A mark says what a database is.
type mark struct {
	From   string `json:"from"`             // the dump
	Of     int    `json:"of"`               // the database that is live
	Beside int    `json:"beside"`           // the one where it was filled, and what was there stays
	Before string `json:"before,omitempty"` // the mark of an earlier restore that what was there had
}

var databaseName = regexp.MustCompile(`^db(\d{1,6})$`)

// Returning implements driver.Returner.
func (c *Conn) Returning(ctx context.Context, from driver.Dumps, only []string) (driver.Action, error) {
	r := &restore{c: c, from: from}
	for _, name := range only {
		n, ok := numberOf(name)
		if !ok {
			return nil, &runbook.FieldError{Field: "only", Problem: fmt.Sprintf("%q is no database of Redis", name), Remedy: "write db0"}
		}
		r.only = append(r.only, n)
	}
	slices.Sort(r.only)
	r.only = slices.Compact(r.only)
	var err error
	r.id, err = c.ID(ctx)
	return r, err
}

func numberOf(name string) (int, bool) {
	m := databaseName.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

func (r *restore) dbID(db int) string { return r.id + "/db/" + strconv.Itoa(db) }

// Resources implements driver.Action.
func (r *restore) Resources() []driver.Resource {
	if len(r.only) == 0 {
		return []driver.Resource{{ID: r.id, Name: "all databases of redis " + r.c.where}}
	}
	var out []driver.Resource
	for _, db := range r.only {
		out = append(out, driver.Resource{ID: r.dbID(db), Name: fmt.Sprintf("redis %s/%d", r.c.where, db)})
	}
	return out
}

// restored is what it owns of a database.
type restored struct {
	Restored string `json:"restored"` // from which dump
}

// Observe implements driver.Action. A database that was not restored shows that.
func (r *restore) Observe(ctx context.Context) (state.State, error) {
	dbs := r.only
	if len(dbs) == 0 {
		n, err := r.c.size(ctx)
		if err != nil {
			return nil, err
		}
		for db := range n {
			dbs = append(dbs, db)
		}
	}
	at, err := r.c.databases(ctx)
	if err != nil {
		return nil, err
	}
	out := state.State{}
	for _, db := range dbs {
		maps.Copy(out, state.Of(r.dbID(db), restored{at[db][restoredKey].From}))
	}
	return out, nil
}

// databases are those that have keys, with their marks.
func (c *Conn) databases(ctx context.Context) (map[int]map[string]mark, error) {
	var counts map[string]int64
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		counts, err = keys(ctx, c.client)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := map[int]map[string]mark{}
	for name := range counts {
		db, ok := numberOf(name)
		if !ok {
			return nil, fmt.Errorf("%s: what the server calls %q is no database", c, name)
		}
		client := c.at(db)
		out[db], err = c.marks(ctx, client)
		if err = errors.Join(err, client.Close()); err != nil {
			return nil, fmt.Errorf("database %d: %w", db, err)
		}
	}
	return out, nil
}

// at is a client of another database.
func (c *Conn) at(db int) *redis.Client {
	o := *c.client.Options()
	o.DB, o.PoolSize = db, 1
	return redis.NewClient(&o)
}

func (c *Conn) marks(ctx context.Context, client *redis.Client) (map[string]mark, error) {
	names := []string{fillingKey, restoredKey, replacedKey, undoneKey}
	var values []any
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		values, err = client.MGet(ctx, names...).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := map[string]mark{}
	for i, v := range values {
		text, ok := v.(string)
		if !ok {
			continue
		}
		var m mark
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, fmt.Errorf("key %s is not Segue's: %w", names[i], err)
		}
		out[names[i]] = m
	}
	return out, nil
}

func (m mark) String() string {
	raw, _ := json.Marshal(m) //nolint:errchkjson // texts and numbers
	return string(raw)
}

// name is what a dump in dir is called, for people and in marks.
func (r *restore) name(dir string) string {
	name, err := filepath.Rel(r.from.Dir, dir)
	if err != nil {
		return dir
	}
	return filepath.ToSlash(name)
}

// names are those of databases, for people.
func names(dbs []int) string {
	var out []string
	for _, db := range dbs {
		out = append(out, "db"+strconv.Itoa(db))
	}
	return strings.Join(out, ", ")
}
