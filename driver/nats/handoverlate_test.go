package nats

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/nats/relay"
	"github.com/segue-run/segue/internal/soak"
)

// The new stream does not copy for a moment, as its leader has changed, and the
// relay or its process is lost before it has carried anything. What the old
// stream has taken meanwhile would come to the new one after what that takes by
// itself, and would be copied back to the old one, twice there then. So it is
// the old one that gets the subjects again.
func TestWhatIsCopiedLateIsNowhereTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it a test of patience")
	}
	b := newBench(t)
	for name, lose := range map[string]func(p *handing, n *natstest.Nodes, die func()){
		"the relay is lost":   func(_ *handing, n *natstest.Nodes, _ func()) { n.Disconnect("segue relay") },
		"the process is lost": func(_ *handing, _ *natstest.Nodes, die func()) { die() },
	} {
		if name == "the process is lost" && !soak.On() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := newHanding(b.in(t, 3)).alone()
			l := newLoad(t, shared, p.vendor, 400, 100)
			l.flows(40)
			var dead, before, once bool
			p.hooks = &hooks{reached: func(subStep string) {
				switch {
				case subStep == atCutting && !before:
					before = true
					p.stepDown(p.to) // it begins to copy again after a while
					l.flows(60)
				case subStep == "cut" && !once:
					once = true
					lose(p, shared, func() { dead = true })
				}
			}}
			a := p.action()
			e := p.effect(a)
			dying := e
			dying.Mine = func() error {
				if dead {
					return driver.ErrNotMine
				}
				return nil
			}
			_, err := a.Apply(t.Context(), dying)
			if dead != errors.Is(err, driver.ErrNotMine) || !dead && err != nil {
				t.Fatal(err)
			}
			if dead {
				if _, err := p.action().Resume(t.Context(), p.again(e)); err != nil {
					t.Fatal(err)
				}
			}
			l.flows(40)
			forward := p.voyage().Forward.Ledger
			if err := p.action().Undo(t.Context(), p.again(e)); err != nil {
				t.Fatal(err)
			}
			l.flows(20)
			l.stop()
			got := l.check(p.c, p.from)
			t.Logf("%+v, ledger %s", got, compact(forward.Condensed(1)))
			if got.LostAcked+got.Doubled+forward.Doubtful > 0 || forward.Blind != "" || forward.Interrupted == "" {
				t.Errorf("%+v, ledger %s", got, compact(forward.Condensed(1)))
			}
		})
	}
}

// Copies that came late all the same will be copied back: the ledger calls them
// doubtful, unless they have an id by which they are known there.
func TestLateCopiesAreDoubtful(t *testing.T) {
	x := &crossing{giver: "OLD", taker: "NEW"}
	copied := func(seq uint64, id string) relay.Stored {
		m := relay.Stored{Subject: "s", Seq: seq, Source: "OLD", SourceSeq: seq, Header: nats.Header{}}
		if id != "" {
			m.Header.Set(nats.MsgIdHdr, id)
		}
		return m
	}
	own := relay.Stored{Subject: "s", Seq: 3, Data: []byte("own")}
	for want, have := range [][]relay.Stored{
		{copied(1, ""), copied(2, ""), own, copied(4, "known")},
		{copied(1, ""), own, copied(4, "")},
		{own, copied(4, ""), copied(5, ""), copied(6, "known")},
	} {
		l := &leg{Cut: own.Seq - 1}
		if want == 2 {
			l.Cut = 0 // nothing came before it
		}
		if got := x.doubtful(l, have); got != want {
			t.Errorf("%d are doubtful, not %d", got, want)
		}
	}
}
