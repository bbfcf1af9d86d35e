package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
)

// begin marks a database as being filled, if it is empty.
var begin = redis.NewScript(`
if redis.call('dbsize') > 0 then return 0 end
redis.call('set', KEYS[1], ARGV[1])
return 1`)

// beside fills a database with what the dump has of another. What a dead process
// has put there goes before.
func (r *restore) beside(ctx context.Context, e driver.Effect, own served, m mark) error {
	client := r.c.at(m.Beside)
	defer func() { _ = client.Close() }()
	if err := r.clear(ctx, e.Mine, client, m); err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	var begun int
	err := r.c.ask(ctx, func(ctx context.Context) (err error) {
		begun, err = begin.Run(ctx, client, []string{fillingKey}, m.String()).Int()
		return err
	})
	if err != nil {
		return err
	}
	if begun == 0 {
		return errors.New("somebody has begun to use it")
	}
	source := own.client(m.Of)
	defer func() { _ = source.Close() }()
	total, err := r.fill(ctx, e.Mine, source, client)
	if err != nil {
		return err
	}
	return r.check(ctx, source, client, total)
}

// clear empties a database that was filled for the same, and only such a one.
func (r *restore) clear(ctx context.Context, mine func() error, client *redis.Client, m mark) error {
	marks, err := r.c.marks(ctx, client)
	if err != nil || marks[fillingKey] != m {
		return err
	}
	if err := mine(); err != nil {
		return err
	}
	return r.c.ask(ctx, func(ctx context.Context) error { return client.FlushDBAsync(ctx).Err() })
}

// batch is how many keys are sent at a time: their values may be large.
const batch = 100

// each gives the keys of a database that nobody writes to, in portions.
func each(ctx context.Context, client *redis.Client, f func(keys []string) error) error {
	for cursor := uint64(0); ; {
		found, next, err := client.Scan(ctx, cursor, "*", batch).Result()
		if err != nil {
			return err
		}
		for portion := range slices.Chunk(found, batch) {
			if err := f(portion); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// fill copies what source has, each key with the time at which it expires. A key
// that has expired since is not made: the server deletes it at once.
func (r *restore) fill(ctx context.Context, mine func() error, source, to *redis.Client) (total int, err error) {
	err = each(ctx, source, func(keys []string) error {
		values := make([]*redis.StringCmd, len(keys))
		if _, err := source.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range keys {
				values[i] = p.Dump(ctx, key)
			}
			return nil
		}); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		at, err := expiries(ctx, source, keys)
		if err != nil {
			return err
		}
		if err := mine(); err != nil {
			return err
		}
		return r.c.ask(ctx, func(ctx context.Context) error {
			_, err := to.Pipelined(ctx, func(p redis.Pipeliner) error {
				for i, key := range keys {
					if values[i].Err() != nil || ours(key) { // it has expired just now
						continue
					}
					total++
					p.Do(ctx, "restore", key, max(at[i], 0), values[i].Val(), "replace", "absttl")
				}
				return nil
			})
			return err
		})
	})
	return total, err
}

// ours reports whether a key is a mark. That of the dump's day says nothing now.
func ours(key string) bool {
	return key == fillingKey || key == restoredKey || key == replacedKey || key == undoneKey
}

// check compares what was filled with the dump: each key is there, and expires when
// it did. The server has looked at the checksum of each value.
func (r *restore) check(ctx context.Context, source, to *redis.Client, total int) error {
	var size int64
	now, err := r.c.clock(ctx)
	if err != nil {
		return err
	}
	if err := r.c.ask(ctx, func(ctx context.Context) (err error) {
		size, err = to.DBSize(ctx).Result()
		return err
	}); err != nil {
		return err
	}
	if size-1 > int64(total) { // the mark is one
		return fmt.Errorf("it has %d keys, and %d were written: somebody else writes there", size-1, total)
	}
	return each(ctx, source, func(keys []string) error {
		keys = slices.DeleteFunc(keys, ours)
		want, err := expiries(ctx, source, keys)
		if err != nil {
			return err
		}
		var is []int64
		if err := r.c.ask(ctx, func(ctx context.Context) (err error) {
			is, err = expiries(ctx, to, keys)
			return err
		}); err != nil {
			return err
		}
		for i, key := range keys {
			gone := is[i] == expired && want[i] != never && time.UnixMilli(want[i]).Before(now.Add(time.Minute))
			if is[i] != want[i] && !gone {
				return fmt.Errorf("what is restored is not what was dumped: key %q expires at %d, and did at %d", key, is[i], want[i])
			}
		}
		return nil
	})
}
