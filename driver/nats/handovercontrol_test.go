package nats

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
)

// Negative controls: a relay that drops a message, forwards one twice, or swaps
// two is found by the ledger; what can be mended is.
func TestTheLedgerFindsABadRelay(t *testing.T) {
	b := newBench(t)
	const carried = 6
	for name, tc := range map[string]struct {
		publish                      func(n int, publish func(*nats.Msg) error, m *nats.Msg) error
		repaired, removed, reordered int
		order                        []string // of what the new stream holds in the end
	}{
		"an honest one": {
			publish: func(_ int, publish func(*nats.Msg) error, m *nats.Msg) error { return publish(m) },
			order:   []string{"0", "1", "2", "3", "4", "5"},
		},
		"one that drops a message": {
			publish: func(n int, publish func(*nats.Msg) error, m *nats.Msg) error {
				if n == 2 {
					return nil
				}
				return publish(m)
			},
			repaired: 1, reordered: 1, order: []string{"0", "1", "3", "4", "5", "2"},
		},
		"one that forwards a message twice": {
			publish: func(n int, publish func(*nats.Msg) error, m *nats.Msg) error {
				if n == 2 {
					_ = publish(m)
				}
				return publish(m)
			},
			removed: 1, order: []string{"0", "1", "2", "3", "4", "5"},
		},
		"one that swaps two": {
			publish: func() func(n int, publish func(*nats.Msg) error, m *nats.Msg) error {
				var held *nats.Msg
				return func(n int, publish func(*nats.Msg) error, m *nats.Msg) error {
					switch n {
					case 2:
						held = m
						return nil
					case 3:
						_ = publish(m)
						return publish(held)
					}
					return publish(m)
				}
			}(),
			reordered: 1, order: []string{"0", "1", "3", "2", "4", "5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newHanding(b.in(t, 3)).alone()
			n := 0
			p.hooks = &hooks{
				reached: func(subStep string) {
					if subStep != "cut" {
						return
					}
					for i := range carried { // while nobody owns the subject
						if err := p.c.nc.Publish(p.oura(), fmt.Append(nil, i)); err != nil {
							t.Error(err)
						}
					}
					if err := p.c.nc.Flush(); err != nil {
						t.Error(err)
					}
				},
				publish: func(publish func(*nats.Msg) error, m *nats.Msg) error {
					n++
					return tc.publish(n-1, publish, m)
				},
			}
			a := p.action()
			if _, err := a.Apply(t.Context(), p.effect(a)); err != nil {
				t.Fatal(err)
			}
			l := p.voyage().Forward.Ledger
			if l.Repaired != tc.repaired || l.Removed != tc.removed || l.Reordered != tc.reordered || l.Row(p.oura()).Relay != carried {
				t.Errorf("ledger %s", compact(l))
			}
			have, err := tail(t.Context(), p.c.nc, p.to, []string{">"}, 1, b.info(p.to).State.LastSeq)
			if err != nil {
				t.Fatal(err)
			}
			var order []string
			for _, m := range have {
				order = append(order, string(m.Data))
			}
			if !slices.Equal(order, tc.order) {
				t.Errorf("the new stream holds %v, not %v", order, tc.order)
			}
		})
	}
}
