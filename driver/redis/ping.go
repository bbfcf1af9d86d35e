package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

type pingParams struct {
	Below time.Duration `param:"below" doc:"The bound of one round trip on an open connection." default:"50ms"`
}

// ping is a health check: a server that does not answer fails it.
type ping struct {
	c     *Conn
	below time.Duration
}

func pingCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "redis.ping", On: kind,
		Doc: "The server answers, within a bound. Fails when it cannot be reached.",
	}, func(_ context.Context, c *Conn, p pingParams) (driver.Check, error) {
		if p.Below == 0 {
			p.Below = 50 * time.Millisecond
		}
		return &ping{c, p.Below}, nil
	})
}

// Read implements driver.Check.
func (p *ping) Read(ctx context.Context) evidence.Reading {
	bound := "below " + p.below.String()
	var took time.Duration
	err := p.c.ask(ctx, func(ctx context.Context) error {
		if err := p.c.client.Ping(ctx).Err(); err != nil { // dials, if need be
			return err
		}
		began := time.Now()
		err := p.c.client.Ping(ctx).Err()
		took = time.Since(began)
		return err
	})
	r := evidence.Passed(took.Round(10*time.Microsecond).String(), bound)
	switch {
	case err != nil:
		r = evidence.Failed("unreachable", bound, err.Error())
	case took >= p.below:
		r = evidence.Failed(r.Value, bound, fmt.Sprintf("a round trip took %s", r.Value))
	}
	r.Source, r.Query, r.Samples = p.c.String(), "PING", 1
	return r
}
