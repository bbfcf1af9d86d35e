package runner

import (
	"context"
	"encoding/json"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
)

// signals takes messages out of the inbox and journals what became of them.
func (l *loop) signals(messages []journal.Message) error {
	for _, m := range messages {
		if m.ID <= l.state.Inbox {
			continue
		}
		var sig engine.Signal
		if err := json.Unmarshal(m.Data, &sig); err != nil {
			if err := l.append(engine.SignalRefused{Message: m.ID, Reason: "it cannot be read: " + err.Error()}); err != nil {
				return err
			}
			continue
		}
		if err := l.append(l.judged(m.ID, sig)...); err != nil {
			return err
		}
		// What follows from one signal is decided before the next is judged.
		if _, err := l.decide(); err != nil {
			return err
		}
	}
	return nil
}

// judged is what becomes of a signal. An amendment is parsed here, as the engine
// knows no catalog.
func (l *loop) judged(message int64, sig engine.Signal) []engine.Event {
	if sig.Kind != engine.SignalAmend {
		return []engine.Event{l.state.Judge(l.rb, message, sig, Signed(l.id, sig))}
	}
	text, settings := sig.Text, sig.Settings
	sig.Text, sig.Settings = "", nil
	ev := l.state.Judge(l.rb, message, sig, Signed(l.id, sig))
	if _, refused := ev.(engine.SignalRefused); refused {
		return []engine.Event{ev}
	}
	rb, err := Pinned(l.r.Drivers, l.rb.File, text, settings)
	reason := ""
	if err == nil {
		if reason = l.state.Amendable(l.rb, rb); reason == "" {
			err = l.claimToo(rb)
		}
	}
	if err != nil {
		reason = l.r.errorText(err)
	}
	if reason != "" {
		return []engine.Event{engine.SignalRefused{Message: message, Signal: sig, Reason: reason}}
	}
	return []engine.Event{ev, engine.Amended{Text: text, Digest: rb.Digest(), Settings: settings, Actor: sig.Actor}}
}

const inboxEvery = 100 * time.Millisecond

func (l *loop) readInbox(ctx context.Context, after int64) {
	tick := time.NewTicker(inboxEvery)
	defer tick.Stop()
	for {
		messages, err := l.r.Store.Inbox(ctx, l.id, after)
		if err != nil && ctx.Err() == nil {
			l.r.log().Warn("the inbox cannot be read; trying again", "run", l.id, "error", err)
		}
		if len(messages) > 0 {
			after = messages[len(messages)-1].ID
			l.tell(news{messages: messages})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
