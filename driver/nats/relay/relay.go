package relay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// room is how many messages may wait to be looked at: several seconds of a
// busy space. When it is full the relay has lost something and says so.
const room = 1 << 18

// A Relay hears a space of subjects on a connection of its own. It is made by
// Open; after Close it only remembers.
type Relay struct {
	nc     *nats.Conn
	prefix string // with its dot
	inbox  string
	// publish sends what is forwarded; tests put worse ones in its place.
	publish func(*nats.Msg) error

	mu      sync.Mutex
	heard   []*Heard
	marks   map[string]int            // an own probe's reply subject → its place in heard
	answers map[string]chan *nats.Msg // by reply subject
	probes  int
	open    bool // forward what is heard
	own     bool // with the relay's own reply subject
	next    int  // the first one that was not looked at for forwarding
	failed  error

	in     chan *nats.Msg
	subs   []*nats.Subscription
	broken chan struct{}
	done   chan struct{}
}

// Options are what a relay may be made with.
type Options struct {
	Space  []string // patterns of what it hears
	Prefix string   // what it forwards goes to Prefix + "." + subject
	// Publish replaces nc.PublishMsg for what is forwarded; nil for it. A
	// negative control forwards badly with it.
	Publish func(publish func(*nats.Msg) error, m *nats.Msg) error
}

// Open begins to hear. nc must be with the server that leads the streams, and
// belong to the relay alone: Close closes it. When Open returns the server
// knows the subscriptions.
func Open(nc *nats.Conn, o Options) (*Relay, error) {
	r := &Relay{
		nc: nc, prefix: o.Prefix + ".", inbox: nc.NewInbox() + ".", publish: nc.PublishMsg,
		marks: map[string]int{}, answers: map[string]chan *nats.Msg{},
		in: make(chan *nats.Msg, room), broken: make(chan struct{}), done: make(chan struct{}),
	}
	if o.Publish != nil {
		r.publish = func(m *nats.Msg) error { return o.Publish(nc.PublishMsg, m) }
	}
	lost := func(_ *nats.Conn, err error) { r.fail(errors.Join(errors.New("the relay's connection was lost"), err)) }
	nc.SetDisconnectErrHandler(lost)
	nc.SetClosedHandler(func(nc *nats.Conn) { lost(nc, nc.LastError()) })
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		r.fail(fmt.Errorf("the relay may have missed something: %w", err))
	})
	if err := r.hear(r.inbox+"*", ""); err != nil {
		return nil, err
	}
	for _, subject := range o.Space {
		if err := r.hear(subject, r.inbox+"only"); err != nil {
			return nil, err
		}
	}
	if err := nc.Flush(); err != nil {
		return nil, fmt.Errorf("hear %s: %w", strings.Join(o.Space, ", "), err)
	}
	go r.listen()
	return r, nil
}

// hear subscribes. As the only member of a queue group a relay is given each
// message after the stream that takes it, as a server serves queue groups last
// (nats-server 2.15.2, processMsgResults). Were it before, its copy of a message with
// a Nats-Msg-Id could come to the stream before the message itself, which would be
// refused then (10158) in its publisher's face.
func (r *Relay) hear(subject, group string) error {
	sub, err := r.nc.ChanQueueSubscribe(subject, group, r.in)
	if err != nil {
		return fmt.Errorf("hear %s: %w", subject, err)
	}
	r.subs = append(r.subs, sub)
	return nil
}

// Close stops hearing and forwarding.
func (r *Relay) Close() {
	r.mu.Lock()
	select {
	case <-r.done:
		r.mu.Unlock()
		return
	default:
		close(r.done)
	}
	r.open = false
	r.mu.Unlock()
	r.nc.Close()
}

// Broken is closed when the relay may have missed something, which Err tells.
func (r *Relay) Broken() <-chan struct{} { return r.broken }

// Err is nil while the relay has heard everything.
func (r *Relay) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *Relay) fail(err error) {
	select {
	case <-r.done: // it was closed on purpose
		return
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
		close(r.broken)
	}
}

func (r *Relay) listen() {
	for {
		select {
		case <-r.done:
			return
		case m := <-r.in:
			r.take(m)
		}
	}
}

func (r *Relay) take(m *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	token, mine := strings.CutPrefix(m.Subject, r.inbox)
	switch {
	case mine && strings.HasPrefix(token, forwardToken):
		r.acknowledged(token, m)
	case mine:
		if ch := r.answers[m.Subject]; ch != nil {
			delete(r.answers, m.Subject)
			ch <- m
		}
	case isProbe(m):
		if strings.HasPrefix(m.Reply, r.inbox) {
			r.marks[m.Reply] = len(r.heard)
		}
	default:
		r.heard = append(r.heard, &Heard{msg: m, at: len(r.heard)})
		r.pump()
	}
}

// forwardToken begins the reply subjects of what is forwarded.
const forwardToken = "f"

// Forward marks what of the messages from place first on a stream has stored,
// the earliest of equal ones, and forwards the others in order, and from then
// on all that is heard, with the publishers' own reply subjects: the new
// stream's answer goes to them. It returns how many were waiting.
func (r *Relay) Forward(first int, stored []Stored) (waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := map[string]int{}
	for i := range stored {
		count[stored[i].key()]++
	}
	for _, h := range r.heard[first:] {
		if k := h.key(); count[k] > 0 {
			count[k]--
			h.stored = true
		} else {
			waiting++
		}
	}
	r.next, r.open = first, true
	r.pump()
	return waiting
}

// OwnReplies makes the relay forward with its own reply subject from now on,
// and pass the positive answers on: once the new stream may take messages
// itself, a refusal of a second copy must not reach its publisher.
func (r *Relay) OwnReplies() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own = true
}

// Rest stops forwarding. What is heard from now on is only remembered.
func (r *Relay) Rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = false
}

// Repair forwards single messages, those that nobody has.
func (r *Relay) Repair(missing []*Heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own = true
	for _, h := range missing {
		r.forward(r.heard[h.at])
	}
}

// pump forwards what is to be, in order. r.mu is held.
func (r *Relay) pump() {
	for r.open && r.next < len(r.heard) {
		if h := r.heard[r.next]; !h.stored {
			r.forward(h)
		}
		r.next++
	}
}

func (r *Relay) forward(h *Heard) {
	m := &nats.Msg{Subject: r.prefix + h.msg.Subject, Reply: h.msg.Reply, Header: h.msg.Header, Data: h.msg.Data}
	h.forwarded = true
	if r.own {
		h.own = true
		m.Reply = r.inbox + forwardToken + strconv.Itoa(h.at)
	}
	if err := r.publish(m); err != nil && r.failed == nil {
		r.failed = fmt.Errorf("forward a message of %s: %w", h.msg.Subject, err)
		close(r.broken)
	}
}

// acknowledged takes the answer to what was forwarded. r.mu is held.
func (r *Relay) acknowledged(token string, m *nats.Msg) {
	i, err := strconv.Atoi(token[len(forwardToken):])
	if err != nil || i >= len(r.heard) {
		return
	}
	h := r.heard[i]
	a := answerOf(m.Data)
	if a.Error != nil || a.Seq == 0 {
		h.refused = string(m.Data)
		return
	}
	h.ack, h.duplicate = a.Seq, a.Duplicate
	if h.msg.Reply != "" && !a.Duplicate {
		_ = r.nc.Publish(h.msg.Reply, m.Data) // the connection's loss shows as broken
	}
}

// Heard is what was heard between two places.
func (r *Relay) Heard(first, end int) []*Heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*Heard, 0, end-first)
	for _, h := range r.heard[first:end] {
		one := *h
		out = append(out, &one)
	}
	return out
}

// Forwarded is how many messages were forwarded.
func (r *Relay) Forwarded() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, h := range r.heard {
		if h.forwarded {
			n++
		}
	}
	return n
}
