package redis

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
)

type keysParams struct {
	patternParams
	Expect string `param:"expect,expression,required" vars:"keys|persistent|shortest|longest" doc:"What must be true of the number of keys, of those that never expire, and of the shortest and the longest time to live in seconds, as in: persistent == 0 && longest <= 3600. The last two are unknown where no key expires."`
}

// keysRead measures the keys that match, and their times to live.
type keysRead struct {
	c      *Conn
	p      keysParams
	expect *expr.Expr
}

func keysCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "redis.keys", On: kind,
		Doc: "The number of keys that match a pattern, and their times to live, are as expected. Unknown when the server does not answer.",
	}, func(_ context.Context, c *Conn, p keysParams) (driver.Check, error) { return newKeys(c, p) })
}

func newKeys(c *Conn, p keysParams) (*keysRead, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("redis.keys: %w", err)
	}
	e, err := expr.Compile(p.Expect, []string{"keys", "persistent", "shortest", "longest"})
	if err != nil {
		return nil, fmt.Errorf("redis.keys: expect: %w", err)
	}
	return &keysRead{c, p, e}, nil
}

// Read implements driver.Check.
func (k *keysRead) Read(ctx context.Context) evidence.Reading {
	r := k.read(ctx)
	r.Bound, r.Source, r.Query = k.p.Expect, k.c.String(), "SCAN "+k.p.Pattern
	return r
}

func (k *keysRead) read(ctx context.Context) evidence.Reading {
	now, err := k.c.clock(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	var t tally
	err = k.c.scan(ctx, k.p.patternParams, func(_ []string, at []int64) error {
		for _, at := range at {
			t.add(at, now.UnixMilli())
		}
		return nil
	})
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	return k.judge(t)
}

// tally is what was found: times to live are in seconds.
type tally struct {
	persistent, volatile int64
	shortest, longest    float64 // of the volatile
}

func (t *tally) add(at, now int64) {
	if at == never {
		t.persistent++
		return
	}
	ttl := float64(at-now) / 1000
	if t.volatile == 0 {
		t.shortest, t.longest = ttl, ttl
	}
	t.volatile++
	t.shortest, t.longest = min(t.shortest, ttl), max(t.longest, ttl)
}

func (k *keysRead) judge(t tally) evidence.Reading {
	vars := map[string]any{"keys": t.persistent + t.volatile, "persistent": t.persistent}
	value := fmt.Sprintf("%d keys, %d of which never expire", t.persistent+t.volatile, t.persistent)
	if t.volatile > 0 {
		vars["shortest"], vars["longest"] = t.shortest, t.longest
		value += fmt.Sprintf(", the others within %.0f to %.0f s", t.shortest, t.longest)
	}
	verdict, err := k.expect.Eval(vars)
	r := evidence.Reading{Verdict: verdict, Value: value, Samples: t.persistent + t.volatile}
	switch {
	case err != nil:
		r.Verdict, r.Detail = evidence.Unknown, err.Error()
	case verdict == evidence.Fail:
		r.Detail = value + ", which does not meet " + k.p.Expect
	}
	return r
}
