package redis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// portion is how many keys one question is about: few, for while it answers
// the server answers nobody else.
const portion = 500

type patternParams struct {
	Pattern string `param:"pattern,required" doc:"Which keys, as in robot:* (SCAN's pattern)."`
	Limit   int    `param:"limit" doc:"How many keys there may be at most." default:"100000"`
}

// Validate implements what types cannot say.
func (p patternParams) Validate() error {
	switch {
	case p.Pattern == "":
		return &runbook.FieldError{Field: "pattern", Problem: "it is empty", Remedy: "write robot:*"}
	case p.Limit < 0:
		return &runbook.FieldError{Field: "limit", Problem: "it is negative", Remedy: "write 100000"}
	}
	return nil
}

// narrow is Validate for who changes keys.
func (p patternParams) narrow() error {
	if p.Pattern != "" && strings.TrimLeft(p.Pattern, "*?") == "" {
		return &runbook.FieldError{Field: "pattern", Problem: p.Pattern + " means every key", Remedy: "say which are meant, as in robot:*"}
	}
	return p.Validate()
}

func (p patternParams) limit() int {
	if p.Limit == 0 {
		return 100_000
	}
	return p.Limit
}

const (
	never   = -1 // does not expire
	expired = -2 // is not there
)

// scan gives the matching keys in portions, each key once, with the time at
// which it expires in milliseconds of Unix time, or never.
func (c *Conn) scan(ctx context.Context, p patternParams, each func(keys []string, at []int64) error) error {
	seen := map[string]bool{}
	for cursor := uint64(0); ; {
		var found []string
		var at []int64
		err := c.ask(ctx, func(ctx context.Context) (err error) {
			found, cursor, err = c.client.Scan(ctx, cursor, p.Pattern, portion).Result()
			if err != nil {
				return err
			}
			fresh := found[:0]
			for _, key := range found { // SCAN may give one twice
				if !seen[key] {
					seen[key] = true
					fresh = append(fresh, key)
				}
			}
			found = fresh
			at, err = expiries(ctx, c.client, found)
			return err
		})
		if err != nil {
			return fmt.Errorf("keys %s: %w", p.Pattern, err)
		}
		if len(seen) > p.limit() {
			return &driver.Refusal{System: c.String(), Reason: fmt.Sprintf("more than %d keys match %s", p.limit(), p.Pattern), Remedy: "write a narrower pattern, or a higher limit"}
		}
		keys, times := found[:0], at[:0]
		for i, key := range found {
			if at[i] != expired {
				keys, times = append(keys, key), append(times, at[i])
			}
		}
		if len(keys) > 0 {
			if err := each(keys, times); err != nil {
				return err
			}
		}
		if cursor == 0 {
			return nil
		}
	}
}

// expiries are when keys expire.
func expiries(ctx context.Context, client *redis.Client, keys []string) ([]int64, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	answers, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Do(ctx, "pexpiretime", key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	at := make([]int64, len(keys))
	for i, a := range answers {
		if at[i], err = a.(*redis.Cmd).Int64(); err != nil {
			return nil, err
		}
	}
	return at, nil
}

// clock is the server's: expiries are told by it.
func (c *Conn) clock(ctx context.Context) (now time.Time, err error) {
	err = c.ask(ctx, func(ctx context.Context) (err error) {
		now, err = c.client.Time(ctx).Result()
		return err
	})
	return now, err
}

// escape makes a pattern one part of an identity, whose parts are separated
// by /.
func escape(pattern string) string { return strings.ReplaceAll(pattern, "/", "∕") }
