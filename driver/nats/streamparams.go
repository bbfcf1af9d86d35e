package nats

import (
	"encoding/json"
	"time"

	"github.com/segue-run/segue/runbook"
)

// streamParams are a stream's settings, for the action and for the check.
type streamParams struct {
	Name            string         `param:"name,required" doc:"the stream"`
	Subjects        []string       `param:"subjects" doc:"what it stores"`
	Closed          *bool          `param:"closed" doc:"true: it has no subjects of its own"`
	Storage         *string        `param:"storage" enum:"file|memory" doc:"cannot be changed later"`
	Retention       *string        `param:"retention" enum:"limits|interest|workqueue" doc:"cannot be changed later"`
	MaxAge          *time.Duration `param:"max-age" doc:"messages older than this go; 0s: never"`
	MaxMsgs         *int64         `param:"max-msgs" doc:"-1: no limit"`
	MaxMsgsPer      *int64         `param:"max-msgs-per-subject" doc:"-1: no limit"`
	MaxBytes        *runbook.Bytes `param:"max-bytes" doc:"0B: no limit"`
	MaxMsgSize      *runbook.Bytes `param:"max-msg-size" doc:"0B: no limit"`
	MaxConsumers    *int64         `param:"max-consumers" doc:"-1: no limit"`
	Replicas        *int64         `param:"replicas" doc:"on how many nodes each message is"`
	Discard         *string        `param:"discard" enum:"old|new" doc:"what gives way when a limit is reached"`
	DuplicateWindow *time.Duration `param:"duplicate-window" doc:"how long a Nats-Msg-Id is remembered"`
	Compression     *string        `param:"compression" enum:"none|s2"`
	Description     *string        `param:"description"`
	DenyDelete      *bool          `param:"deny-delete" doc:"true cannot be taken back"`
	DenyPurge       *bool          `param:"deny-purge" doc:"true cannot be taken back"`
	AllowDirect     *bool          `param:"allow-direct" doc:"replicas may answer reads"`
	AllowRollup     *bool          `param:"allow-rollup"`
}

func streamSettings() []setting {
	return []setting{
		{"storage", "storage", plain, `"file"`, true},
		{"retention", "retention", plain, `"limits"`, true},
		{"max-age", "max_age", span, `"0s"`, false},
		{"max-msgs", "max_msgs", limit, "-1", false},
		{"max-msgs-per-subject", "max_msgs_per_subject", limit, "-1", false},
		{"max-bytes", "max_bytes", limit, "-1", false},
		{"max-msg-size", "max_msg_size", limit, "-1", false},
		{"max-consumers", "max_consumers", limit, "-1", false},
		{"replicas", "num_replicas", plain, "1", false},
		{"discard", "discard", plain, `"old"`, false},
		{"duplicate-window", "duplicate_window", span, `"0s"`, false},
		{"compression", "compression", plain, `"none"`, false},
		{"description", "description", plain, `""`, false},
		{"deny-delete", "deny_delete", plain, "false", true},
		{"deny-purge", "deny_purge", plain, "false", true},
		{"allow-direct", "allow_direct", plain, "false", false},
		{"allow-rollup", "allow_rollup_hdrs", plain, "false", false},
	}
}

func (p streamParams) given() given {
	g := given{}
	opt(g, "storage", p.Storage)
	opt(g, "retention", p.Retention)
	opt(g, "max-age", p.MaxAge)
	opt(g, "max-msgs", p.MaxMsgs)
	opt(g, "max-msgs-per-subject", p.MaxMsgsPer)
	opt(g, "max-bytes", p.MaxBytes)
	opt(g, "max-msg-size", p.MaxMsgSize)
	opt(g, "max-consumers", p.MaxConsumers)
	opt(g, "replicas", p.Replicas)
	opt(g, "discard", p.Discard)
	opt(g, "duplicate-window", p.DuplicateWindow)
	opt(g, "compression", p.Compression)
	opt(g, "description", p.Description)
	opt(g, "deny-delete", p.DenyDelete)
	opt(g, "deny-purge", p.DenyPurge)
	opt(g, "allow-direct", p.AllowDirect)
	opt(g, "allow-rollup", p.AllowRollup)
	return g
}

// subjects are those that are asked for, nil if none are spoken of.
func (p streamParams) subjects() []string {
	switch {
	case p.Closed != nil && *p.Closed:
		return []string{}
	case p.Subjects != nil:
		return sorted(p.Subjects)
	}
	return nil
}

// Validate finds what JetStream would silently change or refuse, as far as
// that can be seen without it.
func (p streamParams) Validate() error {
	wrong := func(field, problem, remedy string) error {
		return &runbook.FieldError{Field: field, Problem: problem, Remedy: remedy}
	}
	switch {
	case p.Subjects != nil && len(p.Subjects) == 0:
		return wrong("subjects", "JetStream turns an empty list silently into the stream's own name", "write closed: true")
	case p.Closed != nil && *p.Closed && p.Subjects != nil:
		return wrong("closed", "a closed stream has no subjects", "leave subjects out, or closed")
	case p.DuplicateWindow != nil && *p.DuplicateWindow < 100*time.Millisecond:
		return wrong("duplicate-window", "JetStream turns 0 silently into 2m and takes nothing else below 100ms", "write at least 100ms")
	case p.DuplicateWindow != nil && p.MaxAge != nil && *p.MaxAge > 0 && *p.DuplicateWindow > *p.MaxAge:
		return wrong("duplicate-window", "it cannot be longer than max-age", "write at most "+tidy(*p.MaxAge))
	case p.MaxAge != nil && *p.MaxAge != 0 && *p.MaxAge < 100*time.Millisecond:
		return wrong("max-age", "JetStream takes nothing below 100ms", "write 0s (never) or at least 100ms")
	case p.Replicas != nil && (*p.Replicas < 1 || *p.Replicas > 5):
		return wrong("replicas", "JetStream takes 1 to 5", "write an odd number, such as 3")
	}
	for _, s := range p.Subjects {
		if !validSubject(s) {
			return wrong("subjects", "\""+s+"\" is not a subject (10052)", "write tokens with dots between, such as orders.>")
		}
	}
	for i, a := range p.Subjects {
		for _, b := range p.Subjects[i+1:] {
			if collide(a, b) {
				return wrong("subjects", a+" and "+b+" overlap each other", "leave the narrower one out")
			}
		}
	}
	return nil
}

func word(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func number(raw json.RawMessage) int64 {
	var n int64
	_ = json.Unmarshal(raw, &n)
	return n
}
