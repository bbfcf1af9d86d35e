package nats

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

func TestAbsentNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 1)
	name, sub := unique("ABSENT"), space("absent")
	b.stream(name, sub+".>")
	b.durable(name, "old", sub+".x")
	read := func(p runbook.Params) evidence.Reading {
		p["on"] = "bus"
		return b.check("nats.absent", p).Read(t.Context())
	}
	wantVerdict(t, read(runbook.Params{"streams": []any{"NOBODY"}, "consumers": []any{"NOBODY/old", name + "/new"}}), evidence.Pass)
	r := read(runbook.Params{"streams": []any{"NOBODY", name}, "consumers": []any{name + "/old", name + "/new"}})
	wantVerdict(t, r, evidence.Fail)
	if want := "consumer old of stream " + name; !strings.Contains(r.Detail, want) || !strings.Contains(r.Detail, "stream "+name) || strings.Contains(r.Detail, "NOBODY") || strings.Contains(r.Detail, "new") {
		t.Fatalf("detail %q", r.Detail)
	}
}

func TestStreamsAreExactlyThoseThatAreListed(t *testing.T) {
	t.Parallel()
	n := natstest.Cluster(t)
	b := &bench{t, connect(t, n), n.JetStream(t), 1}
	for _, name := range []string{"AA_CORE_HOT", "AA_VENDOR_HOT", "KV_flags"} {
		b.stream(name, strings.ToLower(name)+".>")
	}
	// A cluster that has just been made, or has lost a node, may have no leader to
	// ask for a moment.
	becomes := func(v evidence.Verdict, names ...any) evidence.Reading {
		return b.awaits(b.check("nats.streams", runbook.Params{"on": "bus", "exactly": names}), v)
	}
	becomes(evidence.Pass, "AA_VENDOR_HOT", "AA_CORE_HOT")
	becomes(evidence.Pass, "AA_VENDOR_HOT", "AA_CORE_HOT", "KV_flags")
	r := becomes(evidence.Fail, "AA_CORE_HOT", "AA_DLQ")
	if r.Detail != "missing: AA_DLQ; not expected: AA_VENDOR_HOT" {
		t.Fatalf("detail %q", r.Detail)
	}

	latency := b.check("nats.latency", runbook.Params{"on": "bus", "below": 5 * time.Second})
	r = b.awaits(latency, evidence.Pass)
	for _, node := range []string{"n1 ", "n2 ", "n3 "} {
		if !strings.Contains(r.Value, node) {
			t.Errorf("%q is not in %q", node, r.Value)
		}
	}
	r = b.check("nats.latency", runbook.Params{"on": "bus", "below": time.Nanosecond}).Read(t.Context())
	wantVerdict(t, r, evidence.Fail)
	n.StopNode(t, 1)
	r = b.reads(latency, "unknown for want of n2", func(r evidence.Reading) bool {
		return r.Verdict == evidence.Unknown && strings.Contains(r.Detail, "from n2")
	})
	b.c.sys = nil // a connection without a system account
	r = b.awaits(latency, evidence.Pass)
	if r.Samples != trips {
		t.Fatalf("reading %+v", r)
	}
	becomes(evidence.Pass, "AA_VENDOR_HOT", "AA_CORE_HOT")
}

func TestParametersThatMeanNothingAreRefusedByLint(t *testing.T) {
	for why, tc := range map[string]struct {
		p     interface{ Validate() error }
		field string
	}{
		"a path for a backup":        {restoreParams{Stream: "A", Backup: "../b"}, "backup"},
		"a hidden backup":            {restoreParams{Stream: "A", Backup: ".partial-A-1"}, "backup"},
		"a stream with a slash":      {restoreParams{Stream: "A/B"}, "stream"},
		"replicas that are not":      {restoreParams{Stream: "A", Replicas: new(int64(0))}, "replicas"},
		"a max-age that is too low":  {restoreParams{Stream: "A", MaxAge: new(time.Millisecond)}, "max-age"},
		"a delete of a pattern":      {deleteParams{Stream: "A.*"}, "stream"},
		"idle for no time":           {deleteParams{Stream: "A", IdleFor: new(time.Duration(0))}, "idle-for"},
		"a backup of a path":         {backupParams{Stream: "../A"}, "stream"},
		"a backup that is too fresh": {backupParams{Stream: "A", Fresh: new(-time.Second)}, "fresh"},
		"an idle for no time":        {idleParams{Stream: "A", For: new(time.Duration(0))}, "for"},
		"an idle of no subject":      {idleParams{Stream: "A", Subject: "a..b"}, "subject"},
		"a latency below nothing":    {latencyParams{}, "below"},
		"nothing to be absent":       {absentParams{}, "streams"},
		"a consumer of no stream":    {absentParams{Consumers: []string{"worker"}}, "consumers"},
		"a consumer of a pattern":    {absentParams{Consumers: []string{"A/*"}}, "consumers"},
		"a stream that is a pattern": {streamsParams{Exactly: []string{"A*"}}, "exactly"},
	} {
		if e, ok := errors.AsType[*runbook.FieldError](tc.p.Validate()); !ok || e.Field != tc.field || e.Remedy == "" {
			t.Errorf("%s: %v", why, tc.p.Validate())
		}
	}
}
