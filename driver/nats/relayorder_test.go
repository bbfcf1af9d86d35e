package nats

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// A relay must not have a message before the stream that takes it: it hears in a
// queue group, and a server serves those last. Without groups the order differs from
// subscription to subscription.
func TestAServerServesQueueGroupsLast(t *testing.T) {
	nc := connect(t, shared).nc
	const pairs = 50
	last := func(group string) (n int) {
		t.Helper()
		in := make(chan *nats.Msg, 2*pairs)
		var groups []*nats.Subscription
		for range pairs { // the one that would be served first if it went by age
			subject := space("order")
			grouped, err := nc.ChanQueueSubscribe(subject, group, in)
			if err != nil {
				t.Fatal(err)
			}
			groups = append(groups, grouped)
			if _, err := nc.ChanSubscribe(subject, in); err != nil {
				t.Fatal(err)
			}
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		for i := range pairs {
			<-in
			if second := <-in; second.Sub == groups[i] {
				n++
			}
		}
		return n
	}
	if n := last("relay"); n != pairs {
		t.Errorf("of %d messages the group got %d last", pairs, n)
	}
	if n := last(""); n == pairs {
		t.Errorf("without a group all %d came in that order, too: this test finds nothing", n)
	}
}
