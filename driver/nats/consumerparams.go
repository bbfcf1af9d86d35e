package nats

import (
	"time"

	"github.com/segue-run/segue/runbook"
)

// consumerParams are a durable consumer's settings, for the action and for
// the check.
type consumerParams struct {
	Stream            string          `param:"stream,required" doc:"the stream it reads"`
	Name              string          `param:"name,required" doc:"its durable name"`
	Filter            *string         `param:"filter" doc:"the subject it takes"`
	Filters           []string        `param:"filters" doc:"the subjects it takes, if several"`
	Ack               *string         `param:"ack" enum:"explicit|all|none" doc:"explicit when it is created without"`
	AckWait           *time.Duration  `param:"ack-wait"`
	MaxDeliver        *int64          `param:"max-deliver" doc:"-1: no limit"`
	Backoff           []time.Duration `param:"backoff" doc:"waits between deliveries; the first one is the ack-wait"`
	MaxAckPending     *int64          `param:"max-ack-pending" doc:"-1: no limit"`
	Deliver           *string         `param:"deliver" enum:"all|new|last|by_start_sequence" doc:"where it starts; all when it is created without"`
	FromSequence      *int64          `param:"from-sequence" doc:"with deliver: by_start_sequence"`
	Replay            *string         `param:"replay" enum:"instant|original"`
	Paused            *bool           `param:"paused" doc:"true: nothing is delivered until it is resumed"`
	Description       *string         `param:"description"`
	InactiveThreshold *time.Duration  `param:"inactive-threshold" doc:"it goes when unused for so long; 0s: never"`
	Replicas          *int64          `param:"replicas" doc:"0: as the stream"`
}

func consumerSettings() []setting {
	return []setting{
		{"ack", "ack_policy", plain, `"none"`, true},
		{"ack-wait", "ack_wait", span, `"0s"`, false},
		{"max-deliver", "max_deliver", limit, "-1", false},
		{"backoff", "backoff", spans, "[]", false},
		{"max-ack-pending", "max_ack_pending", limit, "-1", false},
		{"deliver", "deliver_policy", plain, `"all"`, true},
		{"from-sequence", "opt_start_seq", plain, "0", true},
		{"replay", "replay_policy", plain, `"instant"`, true},
		{"description", "description", plain, `""`, false},
		{"inactive-threshold", "inactive_threshold", span, `"0s"`, false},
		{"replicas", "num_replicas", plain, "0", false},
	}
}

func (p consumerParams) given() given {
	g := given{}
	opt(g, "ack", p.Ack)
	opt(g, "ack-wait", p.AckWait)
	opt(g, "max-deliver", p.MaxDeliver)
	if p.Backoff != nil {
		g["backoff"] = p.Backoff
	}
	opt(g, "max-ack-pending", p.MaxAckPending)
	opt(g, "deliver", p.Deliver)
	opt(g, "from-sequence", p.FromSequence)
	opt(g, "replay", p.Replay)
	opt(g, "description", p.Description)
	opt(g, "inactive-threshold", p.InactiveThreshold)
	opt(g, "replicas", p.Replicas)
	return g
}

// filters are those that are asked for, nil if none are spoken of.
func (p consumerParams) filters() []string {
	if p.Filter != nil {
		return []string{*p.Filter}
	}
	if p.Filters != nil {
		return sorted(p.Filters)
	}
	return nil
}

// Validate finds what JetStream would silently change or refuse, as far as
// that can be seen without it.
func (p consumerParams) Validate() error {
	wrong := func(field, problem, remedy string) error {
		return &runbook.FieldError{Field: field, Problem: problem, Remedy: remedy}
	}
	switch {
	case p.Filter != nil && p.Filters != nil:
		return wrong("filters", "filter and filters exclude each other (10136)", "list all of them in filters")
	case p.MaxAckPending != nil && *p.MaxAckPending == 0:
		return wrong("max-ack-pending", "JetStream turns 0 silently into 1000", "write 1000, or -1 for no limit")
	case p.AckWait != nil && *p.AckWait <= 0:
		return wrong("ack-wait", "JetStream turns 0 silently into 30s", "write 30s, or how long a worker may take")
	case p.AckWait != nil && len(p.Backoff) > 0 && p.Backoff[0] != *p.AckWait:
		return wrong("ack-wait", "JetStream silently puts the first backoff in its place", "leave it out, or write "+tidy(p.Backoff[0]))
	case p.MaxDeliver != nil && *p.MaxDeliver > 0 && int64(len(p.Backoff)) > *p.MaxDeliver:
		return wrong("backoff", "it is longer than max-deliver (10116)", "write at most max-deliver waits")
	case p.Deliver != nil && (*p.Deliver == "by_start_sequence") != (p.FromSequence != nil):
		return wrong("from-sequence", "it belongs to deliver: by_start_sequence", "write both or neither")
	case p.Deliver == nil && p.FromSequence != nil:
		return wrong("from-sequence", "it belongs to deliver: by_start_sequence", "write deliver: by_start_sequence")
	}
	fs := p.filters()
	for i, a := range fs {
		if !validSubject(a) {
			return wrong("filter", "\""+a+"\" is not a subject", "write tokens with dots between, such as orders.>")
		}
		for _, b := range fs[i+1:] {
			if collide(a, b) {
				return wrong("filters", a+" and "+b+" overlap each other (10138)", "leave the narrower one out")
			}
		}
	}
	return nil
}
