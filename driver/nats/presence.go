package nats

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// absent passes when streams and consumers are not there.
type absent struct {
	c *Conn
	p absentParams
}

type absentParams struct {
	On        string   `param:"on,required,connection"`
	Streams   []string `param:"streams" doc:"none of these exists"`
	Consumers []string `param:"consumers" doc:"none of these exists, each written STREAM/CONSUMER; none does without its stream"`
}

func (p absentParams) Validate() error {
	if len(p.Streams)+len(p.Consumers) == 0 {
		return &runbook.FieldError{Field: "streams", Problem: "nothing is to be absent", Remedy: "list streams, or consumers"}
	}
	for _, s := range p.Streams {
		if err := validStream("streams", s); err != nil {
			return err
		}
	}
	for _, k := range p.Consumers {
		stream, name, ok := strings.Cut(k, "/")
		if !ok || validStream("", stream) != nil || validStream("", name) != nil {
			return &runbook.FieldError{Field: "consumers", Problem: "\"" + k + "\" does not name a consumer of a stream", Remedy: "write STREAM/CONSUMER"}
		}
	}
	return nil
}

func newAbsent(_ context.Context, c *Conn, p absentParams) (driver.Check, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &absent{c, p}, nil
}

func (a *absent) Read(ctx context.Context) evidence.Reading {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	query := "STREAM.NAMES and CONSUMER.NAMES"
	there, err := a.c.streamNames(ctx)
	if err != nil {
		return sourced(evidence.Unsure(err.Error()), a.c, query)
	}
	var found []string
	for _, s := range common(a.p.Streams, there) {
		found = append(found, "stream "+s)
	}
	for _, k := range sorted(a.p.Consumers) {
		stream, name, _ := strings.Cut(k, "/")
		if !slices.Contains(there, stream) {
			continue
		}
		names, err := a.c.names(ctx, "$JS.API.CONSUMER.NAMES."+stream, "consumers")
		if err != nil && !hasCode(err, errNoStream) {
			return sourced(evidence.Unsure(fmt.Sprintf("list the consumers of stream %s: %v", stream, err)), a.c, query)
		}
		if slices.Contains(names, name) {
			found = append(found, "consumer "+name+" of stream "+stream)
		}
	}
	bound := fmt.Sprintf("none of %d", len(a.p.Streams)+len(a.p.Consumers))
	if len(found) > 0 {
		return sourced(evidence.Failed(quoted(found), bound, "still there: "+quoted(found)), a.c, query)
	}
	return sourced(evidence.Passed("none", bound), a.c, query)
}

// streamsCheck passes when the account has exactly the streams that are
// expected, as "nats stream list" shows them.
type streamsCheck struct {
	c *Conn
	p streamsParams
}

type streamsParams struct {
	On      string   `param:"on,required,connection"`
	Exactly []string `param:"exactly,required" doc:"these and no others; those of key-value and object stores and of MQTT (KV_, OBJ_, $MQTT_) count only when they are named"`
}

func (p streamsParams) Validate() error {
	for _, s := range p.Exactly {
		if err := validStream("exactly", s); err != nil {
			return err
		}
	}
	return nil
}

func newStreamsCheck(_ context.Context, c *Conn, p streamsParams) (driver.Check, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &streamsCheck{c, p}, nil
}

func (s *streamsCheck) Read(ctx context.Context) evidence.Reading {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	all, err := s.c.streamNames(ctx)
	if err != nil {
		return sourced(evidence.Unsure(err.Error()), s.c, "STREAM.NAMES")
	}
	expected := sorted(s.p.Exactly)
	there := slices.DeleteFunc(all, func(name string) bool {
		return !slices.Contains(expected, name) && (strings.HasPrefix(name, "KV_") || strings.HasPrefix(name, "OBJ_") || strings.HasPrefix(name, "$MQTT_"))
	})
	value, bound := fmt.Sprintf("%d streams: %s", len(there), quoted(there)), "exactly "+quoted(expected)
	var wrong []string
	if less := minus(expected, there); len(less) > 0 {
		wrong = append(wrong, "missing: "+quoted(less))
	}
	if more := minus(there, expected); len(more) > 0 {
		wrong = append(wrong, "not expected: "+quoted(more))
	}
	if len(wrong) > 0 {
		return sourced(evidence.Failed(value, bound, strings.Join(wrong, "; ")), s.c, "STREAM.NAMES")
	}
	return sourced(evidence.Passed(value, bound), s.c, "STREAM.NAMES")
}
