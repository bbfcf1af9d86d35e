package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
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
	want := map[string]string{}
	newest := map[string]driver.Record{}
	for i, r := range batch.Records {
		r = maps.Clone(r)
		maps.DeleteFunc(r, func(_ string, v any) bool { return v == nil })
		raw, err := json.Marshal(r)
		if err != nil {
			out.Refused[i] = driver.BadRecord{Record: r, Reason: err.Error()}
			continue
		}
		want[s.key(r)], newest[s.key(r)] = string(raw), r
	}
	changed, err := s.exchange(ctx, mine, want, func(key string, is driver.Record) bool {
		v := s.shape.Version
		return v == "" || driver.Newer(newest[key][v], is[v])
	})
	out.Changed = changed
	if err != nil {
		return out, fmt.Errorf("write %d records: %w", len(batch.Records), err)
	}
	return out, nil
}

// Delete implements driver.RecordSink.
func (s *sink) Delete(ctx context.Context, mine func() error, keys []driver.Record) (deleted int64, err error) {
	want := map[string]string{}
	given := map[string]driver.Record{}
	for _, r := range keys {
		want[s.key(r)], given[s.key(r)] = "", r
	}
	deleted, err = s.exchange(ctx, mine, want, func(key string, is driver.Record) bool {
		v := s.shape.Version
		return v == "" || given[key][v] == nil || !driver.Newer(is[v], given[key][v])
	})
	if err != nil {
		return deleted, fmt.Errorf("delete %d records: %w", len(keys), err)
	}
	return deleted, nil
}

// exchange sets keys to values ("" deletes) where what is there gives way, until
// nobody else has changed one meanwhile.
func (s *sink) exchange(ctx context.Context, mine func() error, want map[string]string, gives func(key string, is driver.Record) bool) (n int64, err error) {
	for len(want) > 0 {
		var keys []string
		for key := range want {
			if keys = append(keys, key); len(keys) == portion {
				break
			}
		}
		done, err := s.portion(ctx, mine, keys, want, gives)
		if err != nil {
			return n, err
		}
		n += done
	}
	return n, nil
}

func (s *sink) portion(ctx context.Context, mine func() error, keys []string, want map[string]string, gives func(string, driver.Record) bool) (n int64, err error) {
	var held []any
	err = s.c.ask(ctx, func(ctx context.Context) (err error) {
		held, err = s.c.client.MGet(ctx, keys...).Result()
		return err
	})
	if err != nil {
		return 0, err
	}
	var set []string
	args := []any{s.p.TTL.Milliseconds()}
	for i, key := range keys {
		is, there := held[i].(string)
		var record driver.Record
		if there {
			if record, err = decode(is); err != nil {
				return 0, fmt.Errorf("key %s is somebody else's: %w", key, err)
			}
		}
		if is == want[key] || there && !gives(key, record) {
			delete(want, key)
			continue
		}
		set, args = append(set, key), append(args, is, want[key])
	}
	if len(set) == 0 {
		return 0, nil
	}
	if err := mine(); err != nil {
		return 0, err
	}
	var swapped []int64
	err = s.c.ask(ctx, func(ctx context.Context) (err error) {
		swapped, err = swap.Run(ctx, s.c.client, set, args...).Int64Slice()
		return err
	})
	if err != nil {
		return 0, err
	}
	for i, key := range set {
		if swapped[i] == 1 {
			n++
			delete(want, key)
		}
	}
	return n, nil
}
