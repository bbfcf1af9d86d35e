package nats

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/runbook"
)

func TestStreamCreateWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			name := unique("NEW")
			t.Cleanup(func() { _ = b.js.DeleteStream(context.Background(), name) })
			p := runbook.Params{"on": "bus", "name": name, "subjects": []any{space("new") + ".>"}, "max-age": 48 * time.Hour, "replicas": int64(3), "compression": "s2"}
			return drivertest.World{
				Action: func() driver.Action { return b.action("nats.stream", p) },
				Disturb: func(ctx context.Context) error {
					return b.edit(ctx, name, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
				},
			}
		},
	})
}

func TestStreamUpdateWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			name, sub := unique("OLD"), space("old")
			b.in(t, 1).stream(name, sub+".a", sub+".b")
			p := runbook.Params{"on": "bus", "name": name, "subjects": []any{sub + ".b", sub + ".c"}, "max-age": 72 * time.Hour, "description": "mine"}
			return drivertest.World{
				Action: func() driver.Action { return b.action("nats.stream", p) },
				Disturb: func(ctx context.Context) error {
					return b.edit(ctx, name, func(c *jetstream.StreamConfig) { c.Description = "theirs" })
				},
			}
		},
	})
}

func (b *bench) edit(ctx context.Context, stream string, change func(*jetstream.StreamConfig)) error {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	cfg := s.CachedInfo().Config
	change(&cfg)
	_, err = b.js.UpdateStream(ctx, cfg)
	return err
}

func TestClosedStreamTakesNothingUnderItsOwnName(t *testing.T) {
	b := newBench(t)
	name := unique("CLOSED")
	a := b.action("nats.stream", runbook.Params{"on": "bus", "name": name, "closed": true})
	b.apply(a)
	t.Cleanup(func() { _ = b.js.DeleteStream(context.Background(), name) })
	if got := b.info(name).subjects(); len(got) != 0 {
		t.Fatalf("subjects %v", got)
	}
	if _, err := b.js.Publish(t.Context(), name, nil, jetstream.WithRetryAttempts(0)); err == nil {
		t.Fatal("the stream took a message under its own name")
	}
	if before, want, err := b.plan(a); err != nil || !cmp.Equal(before, want) {
		t.Fatalf("planning again: before %s want %s error %v", before, want, err)
	}
}

// As the seed's step 1.1 has it: refused in the plan, with the way out.
func TestSeedsOwnCreateIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	b := newBench(t)
	old, vendor := unique("ATHLETE_ALLY_EVENTS"), space("vendor")
	b.stream(old, vendor+".>")
	name := unique("AA_VENDOR_HOT")
	a := b.action("nats.stream", runbook.Params{"on": "bus", "name": name, "subjects": []any{vendor + ".>"}, "replicas": int64(3)})
	_, _, err := b.plan(a)
	refusal, ok := errors.AsType[*driver.Refusal](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{"10065", old, vendor + ".>"} {
		if !strings.Contains(refusal.Reason, part) {
			t.Errorf("the reason does not speak of %s: %s", part, refusal.Reason)
		}
	}
	for _, part := range []string{"nats.move", "closed: true"} {
		if !strings.Contains(refusal.Remedy, part) {
			t.Errorf("the remedy does not speak of %s: %s", part, refusal.Remedy)
		}
	}
	if b.info(name) != nil {
		t.Fatal("the stream was made")
	}
}

func TestStreamPlanRefuses(t *testing.T) {
	b := newBench(t)
	name, sub := unique("LIMITS"), space("limits")
	b.stream(name, sub+".>")
	b.publish(sub+".x", 5)
	for why, tc := range map[string]struct {
		p     runbook.Params
		wants string
	}{
		"another storage":           {runbook.Params{"storage": "memory"}, "storage"},
		"another retention":         {runbook.Params{"retention": "workqueue"}, "retention"},
		"more replicas than nodes":  {runbook.Params{"replicas": int64(5)}, "10074"},
		"fewer messages than there": {runbook.Params{"max-msgs": int64(4)}, "throw messages away"},
		"what cannot be taken back": {runbook.Params{"deny-purge": true}, "deny-purge"},
	} {
		t.Run(why, func(t *testing.T) {
			tc.p["on"], tc.p["name"] = "bus", name
			_, _, err := b.plan(b.action("nats.stream", tc.p))
			if refusal, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(refusal.Reason, tc.wants) || refusal.Remedy == "" {
				t.Fatalf("error %v", err)
			}
		})
	}
	if _, _, err := b.plan(b.action("nats.stream", runbook.Params{"on": "bus", "name": unique("NOSUBJ")})); err == nil || !strings.Contains(err.Error(), "closed: true") {
		t.Fatalf("a create without subjects: %v", err)
	}
}

func TestStreamParamsThatJetStreamWouldChangeSilentlyAreRefusedByLint(t *testing.T) {
	for want, p := range map[string]streamParams{
		"subjects":         {Subjects: []string{}},
		"closed":           {Subjects: []string{"a"}, Closed: new(true)},
		"duplicate-window": {DuplicateWindow: new(time.Duration(0))},
		"replicas":         {Replicas: new(int64(0))},
	} {
		if e, ok := errors.AsType[*runbook.FieldError](p.Validate()); !ok || e.Field != want || e.Remedy == "" {
			t.Errorf("%s: %v", want, p.Validate())
		}
	}
}

func TestUndoOfACreateKeepsAStreamThatHoldsMessages(t *testing.T) {
	b := newBench(t)
	name, sub := unique("AA_DLQ"), space("dlq")
	a := b.action("nats.stream", runbook.Params{"on": "bus", "name": name, "subjects": []any{sub + ".>"}, "replicas": int64(3)})
	e := b.apply(a)
	t.Cleanup(func() { _ = b.js.DeleteStream(context.Background(), name) })
	b.publish(sub+".x", 3)
	for range 2 {
		kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
		if !ok || !strings.Contains(kept.Cost, "3 messages") || !strings.Contains(kept.Hint, "nats stream rm "+name) {
			t.Fatalf("kept %+v", kept)
		}
		if info := b.info(name); info == nil || info.State.Messages != 3 || len(info.subjects()) != 0 {
			t.Fatalf("stream %+v", info)
		}
	}
}

func TestUndoOfACreateDeletesAStreamWhoseTestMessageIsGone(t *testing.T) {
	b := newBench(t)
	name, sub := unique("AA_DLQ"), space("dlq")
	a := b.action("nats.stream", runbook.Params{"on": "bus", "name": name, "subjects": []any{sub + ".>"}})
	e := b.apply(a)
	b.publish(sub+".x", 1)
	if err := b.c.deleteMessage(t.Context(), e.Mine, name, 1); err != nil {
		t.Fatal(err)
	}
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if b.info(name) != nil {
		t.Fatal("the stream is still there")
	}
}

func TestUndoOfAnUpdateKeepsALimitThatWouldThrowMessagesAway(t *testing.T) {
	b := newBench(t)
	name, sub := unique("GROWN"), space("grown")
	b.stream(name, sub+".>")
	if err := b.edit(t.Context(), name, func(c *jetstream.StreamConfig) { c.MaxMsgs = 2 }); err != nil {
		t.Fatal(err)
	}
	a := b.action("nats.stream", runbook.Params{"on": "bus", "name": name, "max-msgs": int64(10), "description": "grown"})
	e := b.apply(a)
	b.publish(sub+".x", 5)
	kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
	if !ok || !slices.Equal(kept.Fields[b.c.streamID(name)], []string{"max-msgs"}) {
		t.Fatalf("kept %+v", kept)
	}
	info := b.info(name)
	if info.State.Messages != 5 || word(info.Config["description"]) != "" {
		t.Fatalf("stream %+v", info)
	}
	var meta map[string]string
	if s, err := b.js.Stream(t.Context(), name); err == nil {
		meta = s.CachedInfo().Config.Metadata
	}
	if meta["team"] != "vendor" {
		t.Fatalf("what is not owned was lost: %v", meta)
	}
}
