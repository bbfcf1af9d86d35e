package nats

import (
	"context"
	"fmt"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// lag counts what a consumer has yet to finish: messages that were delivered
// and not acknowledged are part of it.
type lag struct {
	c *Conn
	p lagParams
}

type lagParams struct {
	On       string `param:"on,required,connection"`
	Stream   string `param:"stream,required"`
	Consumer string `param:"consumer,required"`
	Below    int64  `param:"below,required" doc:"as many messages are too many"`
}

func newLag(_ context.Context, c *Conn, p lagParams) (driver.Check, error) { return &lag{c, p}, nil }

func (l *lag) Read(ctx context.Context) evidence.Reading {
	left, r := l.c.left(ctx, l.p.Stream, []string{l.p.Consumer})
	if r != nil {
		return *r
	}
	bound := fmt.Sprintf("below %d", l.p.Below)
	if left.count < uint64(max(l.p.Below, 0)) {
		return left.reading(evidence.Passed(left.value, bound))
	}
	return left.reading(evidence.Failed(left.value, bound, ""))
}

// drainedCheck passes when consumers have nothing left at all.
type drainedCheck struct {
	c *Conn
	p drainedParams
}

type drainedParams struct {
	On        string   `param:"on,required,connection"`
	Stream    string   `param:"stream,required"`
	Consumer  string   `param:"consumer" doc:"this one"`
	Consumers []string `param:"consumers" doc:"these; without consumer and consumers all of the stream's"`
}

func (p drainedParams) Validate() error {
	if p.Consumer != "" && p.Consumers != nil {
		return &runbook.FieldError{Field: "consumers", Problem: "consumer and consumers exclude each other", Remedy: "list all of them in consumers"}
	}
	return nil
}

func newDrained(_ context.Context, c *Conn, p drainedParams) (driver.Check, error) {
	return &drainedCheck{c, p}, nil
}

func (d *drainedCheck) Read(ctx context.Context) evidence.Reading {
	names := d.p.Consumers
	if d.p.Consumer != "" {
		names = []string{d.p.Consumer}
	}
	left, r := d.c.left(ctx, d.p.Stream, names)
	if r != nil {
		return *r
	}
	bound := "nothing pending, nothing unacknowledged"
	if left.count == 0 {
		return left.reading(evidence.Passed(left.value, bound))
	}
	return left.reading(evidence.Failed(left.value, bound, ""))
}

// leftover is what consumers have yet to finish.
type leftover struct {
	count         uint64
	value         string
	source, query string
}

func (l leftover) reading(r evidence.Reading) evidence.Reading {
	r.Source, r.Query = l.source, l.query
	return r
}

// left asks consumers, all of the stream's if none are named. The reading is
// the answer when there is none: these are measurements.
func (c *Conn) left(ctx context.Context, stream string, names []string) (leftover, *evidence.Reading) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	out := leftover{source: c.String(), query: "CONSUMER.INFO of " + stream + " " + quoted(names)}
	unsure := func(why string) (leftover, *evidence.Reading) {
		r := out.reading(evidence.Unsure(why))
		return out, &r
	}
	var infos []consumerInfo
	if names == nil {
		all, missing, err := c.consumers(ctx, stream)
		if err != nil {
			return unsure(err.Error())
		}
		if len(missing) > 0 {
			return unsure(fmt.Sprintf("the leaders of consumers %s of stream %s do not answer", quoted(missing), stream))
		}
		infos = all
	}
	for _, name := range names {
		info, err := c.consumer(ctx, stream, name)
		if err != nil {
			return unsure(err.Error())
		}
		if info == nil {
			return unsure(fmt.Sprintf("there is no consumer %s on stream %s", name, stream))
		}
		infos = append(infos, *info)
	}
	var texts []string
	for _, info := range infos {
		stands, err := c.standsBy(ctx, stream, &info)
		if err != nil {
			return unsure(err.Error())
		}
		if stands {
			texts = append(texts, fmt.Sprintf("%s: nothing; it stands by with %d copies", info.Name, info.Pending))
			continue
		}
		out.count += info.Pending + info.AckPending
		texts = append(texts, info.Name+": "+info.left())
	}
	out.value = strings.Join(texts, "; ")
	return out, nil
}
