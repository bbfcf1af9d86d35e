package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// cache is robot:<id> in Redis.
//
// A value is replaced by a newer one only (by seq), so it does not matter in
// which order two instances come. What cannot be written while Redis is away
// leaves an old value there; so after any error the cache is not read until all
// of it was deleted. While that is done writes go on, or a robot that changes
// meanwhile would be left out.
type cache struct {
	client *redis.Client
	ttl    time.Duration
	log    *slog.Logger
	phase  atomic.Int32
}

const (
	cacheAway    = int32(iota) // it is not used
	cacheMending               // it is written, and being emptied
	cacheTrusted               // it is read as well
)

const (
	cachePrefix  = "robot:"
	cacheTimeout = 250 * time.Millisecond
	mendEvery    = 500 * time.Millisecond
	// fillTime is for how long what was read from the database may be put into
	// the cache. It is less than mendEvery, so that nothing that was read before
	// an outage arrives after the mending.
	fillTime = 200 * time.Millisecond
	// tombstoneTTL outlives whoever has read the robot before it was deleted.
	tombstoneTTL = time.Minute
)

func newCache(url string, ttl time.Duration, log *slog.Logger) (*cache, error) {
	opt, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("REDIS_URL is not a URL of Redis") // which the error would show
	}
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = cacheTimeout, cacheTimeout, cacheTimeout
	opt.MaxRetries, opt.ContextTimeoutEnabled = -1, true
	return &cache{client: redis.NewClient(opt), ttl: ttl, log: log}, nil
}

// run mends the cache, at first and whenever it was away, until ctx ends.
func (c *cache) run(ctx context.Context) {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		if c.phase.Load() == cacheAway {
			c.mend(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *cache) mend(ctx context.Context) {
	if c.client.Ping(ctx).Err() != nil {
		return
	}
	c.phase.Store(cacheMending)
	if err := c.empty(ctx); err != nil {
		c.failed(err)
		return
	}
	if c.phase.CompareAndSwap(cacheMending, cacheTrusted) { // no write has failed meanwhile
		c.log.Info("Redis is trusted")
	}
}

func (c *cache) empty(ctx context.Context) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.client.Scan(ctx, cursor, cachePrefix+"*", 1000).Result()
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		if len(keys) > 0 {
			if err := c.client.Unlink(ctx, keys...).Err(); err != nil {
				return fmt.Errorf("unlink: %w", err)
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// failed is told of each error of Redis.
func (c *cache) failed(err error) {
	if c.phase.Swap(cacheAway) == cacheTrusted {
		c.log.Warn("Redis is away: reads go to PostgreSQL", "error", err)
	}
}

// trusted says whether reads go to Redis.
func (c *cache) trusted() bool { return c.phase.Load() == cacheTrusted }

// cached is a value: a robot, or that there is none.
type cached struct {
	robot.Robot
	Deleted bool `json:"deleted,omitempty"`
}

// get answers if the cache knows.
func (c *cache) get(ctx context.Context, id string) (r robot.Robot, exists, hit bool) {
	if !c.trusted() {
		return robot.Robot{}, false, false
	}
	body, err := c.client.Get(ctx, cachePrefix+id).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return robot.Robot{}, false, false
	case err != nil:
		if ctx.Err() == nil {
			c.failed(err)
		}
		return robot.Robot{}, false, false
	}
	var v cached
	if err := json.Unmarshal(body, &v); err != nil || v.ID != id {
		return robot.Robot{}, false, false // somebody else's: the database knows
	}
	return v.Robot, !v.Deleted, true
}

// putNewer sets each key unless a newer value is there. KEYS, and in ARGV the
// seconds to live and then seq and value of each.
var putNewer = redis.NewScript(`
for i, key in ipairs(KEYS) do
  local seq, value = tonumber(ARGV[2*i]), ARGV[2*i+1]
  local old = redis.call('GET', key)
  local ok, was = pcall(cjson.decode, old or '{}')
  if not ok or type(was) ~= 'table' or not tonumber(was.seq) or tonumber(was.seq) < seq then
    redis.call('SET', key, value, 'EX', ARGV[1])
  end
end
return 0`)

// scriptKeys is how many keys one call of the script takes.
const scriptKeys = 500

// put writes what a transaction has made.
func (c *cache) put(ctx context.Context, done written) {
	values := make([]cached, len(done.robots))
	for i, r := range done.robots {
		values[i] = cached{Robot: r}
	}
	c.set(ctx, c.ttl, values)
	gone := make([]cached, len(done.deleted))
	for i, t := range done.deleted {
		gone[i] = cached{Robot: robot.Robot{ID: t.id, Seq: t.seq}, Deleted: true}
	}
	c.set(ctx, tombstoneTTL, gone)
}

// fill puts in what was read from the database at readAt.
func (c *cache) fill(ctx context.Context, r robot.Robot, readAt time.Time) {
	ctx, cancel := context.WithDeadline(ctx, readAt.Add(fillTime))
	defer cancel()
	if ctx.Err() == nil {
		c.set(ctx, c.ttl, []cached{{Robot: r}})
	}
}

func (c *cache) set(ctx context.Context, ttl time.Duration, values []cached) {
	for len(values) > 0 && c.phase.Load() != cacheAway {
		n := min(scriptKeys, len(values))
		keys, args := make([]string, n), []any{int(ttl.Seconds())}
		for i, v := range values[:n] {
			body, err := json.Marshal(v)
			if err != nil {
				c.failed(err)
				return
			}
			keys[i] = cachePrefix + v.ID
			args = append(args, v.Seq, body)
		}
		if err := putNewer.Run(ctx, c.client, keys, args...).Err(); err != nil {
			c.failed(err)
			return
		}
		values = values[n:]
	}
}
