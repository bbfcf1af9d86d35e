package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// surveyed is what Survey tells PlanAmong of the dump, and of the server.
type surveyed struct {
	From      string `json:"from,omitempty"`
	Databases []int  `json:"databases,omitempty"` // that the dump has, of those that are meant
	Problem   string `json:"problem,omitempty"`   // why there is no dump
	Memory    int64  `json:"memory"`              // that the dump takes, in bytes
	Used      int64  `json:"used"`
	Most      int64  `json:"most"` // maxmemory; 0: as much as there is
	Empty     []int  `json:"empty"`
	Put       []int  `json:"put_aside,omitempty"` // that hold what other restores have put aside
	Refused   string `json:"refused,omitempty"`   // what the server is, that it cannot be done on
}

func (r *restore) source() string { return "file:" + r.from.Dir }

// Survey reads what the dump has, and what room the server has for it.
func (r *restore) Survey(ctx context.Context) (state.State, error) {
	var s surveyed
	if err := r.offer(ctx, &s); err != nil {
		return nil, err
	}
	if err := r.room(ctx, &s); err != nil {
		return nil, err
	}
	return state.Of(r.source(), s), nil
}

// offer says what the newest good dump has.
func (r *restore) offer(ctx context.Context, s *surveyed) (err error) {
	dir, err := r.from.Good(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("look for a dump: %w", context.Cause(ctx))
	}
	if err != nil {
		s.Problem = err.Error()
		return nil
	}
	own, err := serve(ctx, filepath.Join(dir, rdbFile))
	if errors.Is(err, driver.ErrNoInstance) {
		s.Problem = err.Error()
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the dump %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	client := own.client(0)
	defer func() { _ = client.Close() }()
	counts, err := keys(ctx, client)
	if err != nil {
		return err
	}
	s.From = r.name(dir)
	for name := range counts {
		db, ok := numberOf(name)
		if !ok || len(r.only) > 0 && !slices.Contains(r.only, db) {
			continue
		}
		aside, err := r.c.aside(ctx, own, db)
		if err != nil {
			return fmt.Errorf("read the dump %s: %w", dir, err)
		}
		if !aside {
			s.Databases = append(s.Databases, db)
		}
	}
	slices.Sort(s.Databases)
	for _, db := range r.only {
		if !slices.Contains(s.Databases, db) {
			s.Problem = fmt.Sprintf("%s has no keys of db%d", s.From, db)
		}
	}
	if len(s.Databases) == 0 && s.Problem == "" {
		s.Problem = s.From + " has no keys"
	}
	memory, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return err
	}
	s.Memory, err = strconv.ParseInt(figures(memory)["used_memory_dataset"], 10, 64)
	return err
}

// aside reports whether a database of a dump held what restores had put aside, or
// were about to make: it was not live.
func (c *Conn) aside(ctx context.Context, own served, db int) (bool, error) {
	client := own.client(db)
	defer func() { _ = client.Close() }()
	marks, err := c.marks(ctx, client)
	_, filling := marks[fillingKey]
	_, replaced := marks[replacedKey]
	_, undone := marks[undoneKey]
	return filling || replaced || undone, err
}

// room says what the server has room for.
func (r *restore) room(ctx context.Context, s *surveyed) error {
	for name, refused := range map[string]func(map[string]string) string{
		"replication": func(i map[string]string) string {
			if i["role"] == "master" {
				return ""
			}
			return "it is a replica, which takes what its master has"
		},
		"cluster": func(i map[string]string) string {
			if i["cluster_enabled"] != "1" {
				return ""
			}
			return "it is a node of a Redis Cluster, which has one database"
		},
	} {
		info, err := r.c.info(ctx, name)
		if err != nil {
			return err
		}
		if text := refused(info); text != "" {
			s.Refused = text
		}
	}
	memory, err := r.c.info(ctx, "memory")
	if err != nil {
		return err
	}
	used, err := number(memory, "used_memory")
	if err != nil {
		return err
	}
	most, err := number(memory, "maxmemory")
	if err != nil {
		return err
	}
	s.Used, s.Most = int64(used), int64(most)
	s.Empty, s.Put, err = r.c.empty(ctx)
	return err
}

// empty are the databases that have no key, and those that hold what restores have
// put aside.
func (c *Conn) empty(ctx context.Context) (empty, put []int, err error) {
	n, err := c.size(ctx)
	if err != nil {
		return nil, nil, err
	}
	at, err := c.databases(ctx)
	if err != nil {
		return nil, nil, err
	}
	for db := range n {
		marks, has := at[db]
		_, replaced := marks[replacedKey]
		_, undone := marks[undoneKey]
		switch {
		case !has:
			empty = append(empty, db)
		case replaced || undone:
			put = append(put, db)
		}
	}
	return empty, put, nil
}

// size is how many databases the server has, empty ones included.
func (c *Conn) size(ctx context.Context) (int, error) {
	var config map[string]string
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		config, err = c.client.ConfigGet(ctx, "databases").Result()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("how many databases there are: %w", err)
	}
	n, err := strconv.Atoi(config["databases"])
	if err != nil {
		return 0, fmt.Errorf("%s: the server does not say how many databases it has", c)
	}
	return n, nil
}

// Plan cannot be without knowing the dumps.
func (r *restore) Plan(before state.State) (state.State, error) {
	return r.PlanAmong(before, state.State{})
}

// PlanAmong refuses what the server has no room for.
func (r *restore) PlanAmong(before, others state.State) (state.State, error) {
	s := surveyed{Problem: "the bundles in " + r.from.Dir + " were not looked at"}
	if _, there := others[r.source()]; there {
		s = surveyed{}
	}
	if _, err := others.Decode(r.source(), &s); err != nil {
		return nil, err
	}
	want := maps.Clone(before)
	var changes []int
	for _, db := range s.Databases {
		var is restored
		if _, err := before.Decode(r.dbID(db), &is); err != nil {
			return nil, err
		}
		if is.Restored != s.From {
			changes = append(changes, db)
			maps.Copy(want, state.Of(r.dbID(db), restored{s.From}))
		}
	}
	beside := slices.DeleteFunc(slices.Clone(s.Empty), func(db int) bool { return slices.Contains(s.Databases, db) })
	switch {
	case s.Problem != "":
		return nil, r.refuse(s.Problem, "a step with backup.bundle before this one, or another dir")
	case len(changes) == 0:
		return before, nil
	case s.Refused != "":
		return nil, r.refuse(s.Refused, "a connection to a server that is its own master, and no cluster")
	case len(beside) < len(changes):
		remedy := "a server with more databases, or only: a few at a time"
		if len(s.Put) > 0 {
			remedy = fmt.Sprintf("FLUSHDB in %s, which hold what earlier restores have put aside, once nobody needs that", names(s.Put))
		}
		return nil, r.refuse(fmt.Sprintf("%d databases are restored, each beside in an empty one, and %d are empty", len(changes), len(beside)), remedy)
	case s.Most > 0 && s.Used+s.Memory > s.Most:
		return nil, r.refuse(fmt.Sprintf("what is live takes %d MiB and the dump %d MiB, and maxmemory is %d MiB: keys would be refused, or others evicted", s.Used>>20, s.Memory>>20, s.Most>>20),
			"more maxmemory for the while (redis.config)")
	}
	return want, nil
}

// Costs implements driver.Costly.
func (r *restore) Costs(before, want state.State) string {
	var dbs []int
	for id := range want {
		var was, is restored
		_, err := before.Decode(id, &was)
		_, err2 := want.Decode(id, &is)
		if db, err3 := r.number(id); errors.Join(err, err2, err3) == nil && was != is {
			dbs = append(dbs, db)
		}
	}
	if len(dbs) == 0 {
		return ""
	}
	slices.Sort(dbs)
	return fmt.Sprintf("what %s of redis %s hold is replaced; it is put aside in databases that are empty now, with what is written until then, and takes memory until somebody clears it", names(dbs), r.c.where)
}

func (r *restore) refuse(reason, remedy string) error {
	return &driver.Refusal{System: "redis " + r.c.where, Reason: reason, Remedy: remedy}
}
