package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
)

// giveBack gives keys their old expiry where they still have ours; another one
// means that somebody has written the key since. It answers with those that
// are gone although they had not expired by now. It runs as one, so that
// nobody writes a key between the look and the change.
//
// ARGV: now, the number of expiries that are ours, these, and the old one of
// each key.
var giveBack = redis.NewScript(`
local now, ours, gone = tonumber(ARGV[1]), {}, 0
local n = tonumber(ARGV[2])
for i = 1, n do ours[tonumber(ARGV[2 + i])] = true end
for i, key in ipairs(KEYS) do
  local was, at = tonumber(ARGV[2 + n + i]), redis.call('PEXPIRETIME', key)
  if at == -2 then
    if was == -1 or was > now then gone = gone + 1 end
  elseif ours[at] then
    if was == -1 then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, ARGV[2 + n + i]) end
  end
end
return gone`)

// Undo gives the keys that are still there their times to live back.
func (a *expire) Undo(ctx context.Context, e driver.Effect) error {
	cur, err := expiringFrom(e.Cursor)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	now, err := a.c.clock(ctx)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	gone := 0
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(cur.Was)), portion) {
		n, err := a.restore(ctx, e.Mine, cur, keys, now)
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
		gone += n
	}
	if gone > 0 {
		return &driver.Kept{
			What:   fmt.Sprintf("%d keys %s as they are: gone", gone, a.p.Pattern),
			Cost:   "they expired, or were deleted, and nothing brings them back but who wrote them",
			Fields: map[string][]string{a.resource.ID: {"*"}},
		}
	}
	return nil
}

func (a *expire) restore(ctx context.Context, mine func() error, cur expiring, keys []string, now time.Time) (gone int, err error) {
	args := []any{now.UnixMilli(), len(cur.Until)}
	for _, at := range cur.Until {
		args = append(args, at)
	}
	for _, key := range keys {
		args = append(args, cur.Was[key])
	}
	if err := mine(); err != nil {
		return 0, err
	}
	err = a.c.ask(ctx, func(ctx context.Context) (err error) {
		gone, err = giveBack.Run(ctx, a.c.client, keys, args...).Int()
		return err
	})
	return gone, err
}
