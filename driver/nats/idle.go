package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// idle looks at the messages that a stream stored since the last look. Those
// that it sourced from another stream do not count. With a time to go by it
// looks at the messages' own times, at the first look as at any other.
type idle struct {
	c *Conn
	p idleParams

	mu    sync.Mutex
	last  *uint64 // the stream's last sequence at the last look
	quiet quiet
}

type idleParams struct {
	On      string         `param:"on,required,connection"`
	Stream  string         `param:"stream,required"`
	Subject string         `param:"subject" doc:"only messages on it; all by default"`
	For     *time.Duration `param:"for" doc:"no message is younger than this, by its own time; without it, none came since the last look"`
}

func (p idleParams) Validate() error {
	switch {
	case p.For != nil && *p.For <= 0:
		return &runbook.FieldError{Field: "for", Problem: "every stream is idle for no time", Remedy: "write how long, such as 24h"}
	case p.Subject != "" && !validSubject(p.Subject):
		return &runbook.FieldError{Field: "subject", Problem: "\"" + p.Subject + "\" is not a subject", Remedy: "write tokens with dots between, such as orders.>"}
	}
	return validStream("stream", p.Stream)
}

func newIdle(_ context.Context, c *Conn, p idleParams) (driver.Check, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &idle{c: c, p: p, quiet: quiet{c: c, stream: p.Stream, subject: strings.TrimPrefix(p.Subject, ">")}}, nil
}

// maxLook bounds how many sourced messages one look passes over.
const maxLook = 1000

func (i *idle) Read(ctx context.Context) evidence.Reading {
	i.mu.Lock()
	defer i.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r := i.read
	if i.p.For != nil {
		r = i.since
	}
	return sourced(r(ctx), i.c, "STREAM.INFO and MSG.GET of "+i.p.Stream)
}

// since goes by the messages' times.
func (i *idle) since(ctx context.Context) evidence.Reading {
	found, err := i.quiet.within(ctx, *i.p.For)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	bound := "no message that was not sourced for " + tidy(*i.p.For)
	r := evidence.Passed(found.newest, bound)
	switch {
	case found.own != "":
		r = evidence.Failed(found.own, bound, "stream "+i.p.Stream+" still gets messages")
	case found.unsure != "":
		r = evidence.Unsure("stream " + i.p.Stream + ": " + found.unsure)
	}
	r.Samples = found.looked
	return r
}

func (i *idle) read(ctx context.Context) evidence.Reading {
	info, err := i.c.stream(ctx, i.p.Stream)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	if info == nil {
		return evidence.Unsure("there is no stream " + i.p.Stream)
	}
	if i.last == nil || info.State.LastSeq < *i.last {
		i.last = &info.State.LastSeq
		return evidence.Unsure(fmt.Sprintf("the first look: the last message of stream %s is %d", i.p.Stream, info.State.LastSeq))
	}
	bound := "no message that was not sourced"
	sourced := int64(0)
	for *i.last < info.State.LastSeq {
		next := *i.last + 1
		m, err := i.c.message(ctx, i.p.Stream, map[string]any{"seq": *i.last + 1, "next_by_subj": cmp.Or(i.p.Subject, ">")})
		switch {
		case err != nil:
			return evidence.Unsure(err.Error())
		case m == nil && i.p.Subject != "": // others' came, or they are gone: which, cannot be seen
			i.last = &info.State.LastSeq
			continue
		case i.p.Subject == "" && (m == nil || m.Seq > next):
			// They came since the last look and are gone: consumed, purged, expired.
			return i.gone(info, next, bound, m)
		}
		i.last = &m.Seq
		if m.header("Nats-Stream-Source") == "" {
			i.last = &info.State.LastSeq
			return evidence.Failed(fmt.Sprintf("message %d on %s", m.Seq, m.Subject), bound, "stream "+i.p.Stream+" still gets messages")
		}
		if sourced++; sourced >= maxLook {
			return evidence.Unsure(fmt.Sprintf("%d sourced messages looked at, up to %d of %d; the rest at the next look", sourced, *i.last, info.State.LastSeq))
		}
	}
	r := evidence.Passed(fmt.Sprintf("last message is %d", info.State.LastSeq), bound)
	r.Samples = sourced
	return r
}

// gone: messages came since the last look and cannot be looked at any more. They
// were the stream's own if it sources nothing.
func (i *idle) gone(info *streamInfo, from uint64, bound string, next *message) evidence.Reading {
	until := info.State.LastSeq
	if next != nil {
		until = next.Seq - 1
	}
	i.last = &until
	what := fmt.Sprintf("messages %d to %d came since the last look and are gone", from, until)
	var sources []json.RawMessage
	_ = json.Unmarshal(info.Config["sources"], &sources)
	if len(sources) > 0 {
		return evidence.Unsure(what + ": whether they were sourced cannot be seen")
	}
	return evidence.Failed(what, bound, "stream "+i.p.Stream+" still gets messages")
}
