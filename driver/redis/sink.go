package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// writeParams is a Place to write records to.
type writeParams struct {
	Key string        `param:"key,required" doc:"The key of a record, with its fields in braces, as in robot:{id}."`
	TTL time.Duration `param:"ttl" doc:"How long one stays after it was written; for good otherwise."`
}

var inBraces = regexp.MustCompile(`\{([^{}]+)\}`)

// Validate implements what types cannot say.
func (p writeParams) Validate() error {
	if !inBraces.MatchString(p.Key) {
		return &runbook.FieldError{Field: "key", Problem: "all records would be one", Remedy: "name a field in braces, as in robot:{id}"}
	}
	if p.TTL < 0 {
		return &runbook.FieldError{Field: "ttl", Problem: "it is negative", Remedy: "write how long a record stays, as in 1h"}
	}
	return nil
}

// sink writes records as JSON, one a key.
type sink struct {
	c     *Conn
	id    string
	p     writeParams
	shape driver.Shape
}

// Sink implements driver.RecordWriter.
func (c *Conn) Sink(ctx context.Context, place driver.Place, shape driver.Shape) (driver.RecordSink, error) {
	p, err := driver.Placed[writeParams](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", c, err)
	}
	id, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	return &sink{c, id, p, shape}, nil
}

// Resource implements driver.RecordSink.
func (s *sink) Resource() driver.Resource {
	pattern := inBraces.ReplaceAllString(s.p.Key, "*")
	return driver.Resource{ID: s.id + "/keys/" + escape(pattern), Name: "keys " + pattern + " of " + s.c.String()}
}

// Close implements driver.RecordSink.
func (s *sink) Close() error { return nil }

func (s *sink) key(r driver.Record) string {
	return inBraces.ReplaceAllStringFunc(s.p.Key, func(m string) string { return fmt.Sprint(r[m[1:len(m)-1]]) })
}

// swap sets each key to its value if it still holds what it held: 1 for each
// that was set. Arguments are what it held ("" for nothing) and the value.
var swap = redis.NewScript(`
local out = {}
local ttl = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
	local now = redis.call('get', key) or ''
	if now == ARGV[2 * i] then
		local to = ARGV[2 * i + 1]
		if to == '' then redis.call('del', key)
		elseif ttl > 0 then redis.call('set', key, to, 'px', ttl)
		elseif ttl < 0 then redis.call('set', key, to, 'keepttl')
		else redis.call('set', key, to) end
		out[i] = 1
	else
		out[i] = 0
	end
end
return out`)

// Write implements driver.RecordSink: what is there is looked at, and taken the
// place of if it is older and still the same.
func (s *sink) Write(ctx context.Context, mine func() error, batch driver.Batch) (driver.Written, error) {
	out := driver.Written{Refused: map[int]driver.BadRecord{}}
	want := map[string]driver.Record{}
	for i, r := range batch.Records {
		if _, err := json.Marshal(r); err != nil {
			out.Refused[i] = driver.BadRecord{Record: r, Reason: err.Error()}
			continue
		}
		want[s.key(r)] = r
	}
	changed, err := s.exchange(ctx, mine, want, func(key string, is driver.Record) (string, bool) {
		v := s.shape.Version
		if is != nil && v != "" && !driver.Newer(want[key][v], is[v]) {
			return "", false
		}
		return s.text(want[key], is), true
	})
	out.Changed = changed
	if err != nil {
		return out, fmt.Errorf("write %d records: %w", len(batch.Records), err)
	}
	return out, nil
}

// text is a record as it is written where another one is; nil for none.
func (s *sink) text(r, is driver.Record) string {
	whole := driver.Record{}
	if s.shape.Partial {
		maps.Copy(whole, is)
	}
	maps.Copy(whole, r)
	maps.DeleteFunc(whole, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(whole)
	if err != nil {
		panic("redis: what was JSON is none: " + err.Error()) // Write has tried it
	}
	return string(raw)
}

// Delete implements driver.RecordSink.
func (s *sink) Delete(ctx context.Context, mine func() error, keys []driver.Record) (deleted int64, err error) {
	given := map[string]driver.Record{}
	for _, r := range keys {
		given[s.key(r)] = r
	}
	deleted, err = s.exchange(ctx, mine, given, func(key string, is driver.Record) (string, bool) {
		v := s.shape.Version
		return "", is != nil && (v == "" || given[key][v] == nil || !driver.Newer(is[v], given[key][v]))
	})
	if err != nil {
		return deleted, fmt.Errorf("delete %d records: %w", len(keys), err)
	}
	return deleted, nil
}

// exchange puts in the place of what keys hold what becomes says ("" deletes),
// until nobody else has changed one meanwhile. What is nil is not there.
func (s *sink) exchange(ctx context.Context, mine func() error, records map[string]driver.Record, becomes func(key string, is driver.Record) (text string, gives bool)) (n int64, err error) {
	left := slices.Collect(maps.Keys(records))
	for len(left) > 0 {
		keys := left[:min(portion, len(left))]
		done, again, err := s.portion(ctx, mine, keys, becomes)
		if err != nil {
			return n, err
		}
		n, left = n+done, append(again, left[len(keys):]...)
	}
	return n, nil
}

// portion exchanges some keys once; again are those that were changed meanwhile.
func (s *sink) portion(ctx context.Context, mine func() error, keys []string, becomes func(string, driver.Record) (string, bool)) (n int64, again []string, err error) {
	var held []any
	err = s.c.ask(ctx, func(ctx context.Context) (err error) {
		held, err = s.c.client.MGet(ctx, keys...).Result()
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	var set []string
	args := []any{s.stay()}
	for i, key := range keys {
		is, there := held[i].(string)
		var record driver.Record
		if there {
			if record, err = decode(is); err != nil {
				return 0, nil, fmt.Errorf("key %s is somebody else's: %w", key, err)
			}
		}
		to, gives := becomes(key, record)
		if !gives || is == to {
			continue
		}
		set, args = append(set, key), append(args, is, to)
	}
	if len(set) == 0 {
		return 0, nil, nil
	}
	if err := mine(); err != nil {
		return 0, nil, err
	}
	var swapped []int64
	err = s.c.ask(ctx, func(ctx context.Context) (err error) {
		swapped, err = swap.Run(ctx, s.c.client, set, args...).Int64Slice()
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	for i, key := range set {
		if swapped[i] == 1 {
			n++
		} else {
			again = append(again, key)
		}
	}
	return n, again, nil
}

// stay is how long a record stays, in milliseconds: 0 for good, -1 as before.
func (s *sink) stay() int64 {
	if s.shape.Partial && s.p.TTL == 0 {
		return -1
	}
	return s.p.TTL.Milliseconds()
}
