package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/nats/relay"
)

// A kindOf publisher is one that publishes in one way.
type publisherKind struct {
	name string
	id   bool // with a Nats-Msg-Id
	how  string
}

var publisherKinds = []publisherKind{
	{"sync-id", true, "sync"},
	{"sync", false, "sync"},
	{"async-id", true, "async"},
	{"async", false, "async"},
	{"faf", false, "faf"},
	{"faf-id", true, "faf"},
}

// pub is one publisher on a subject of its own. Its payloads count up, from 0.
type pub struct {
	publisherKind
	subject string

	mu     sync.Mutex
	sent   int
	acked  map[int]bool
	errs   []error
	delays []time.Duration // of what was published
	since  time.Time       // from then on
}

// load is publishers of all kinds at once.
type load struct {
	t       testing.TB
	pubs    []*pub
	cancel  context.CancelFunc
	done    sync.WaitGroup
	padding string
}

// most is how many messages a second one publisher sends; there are as many as
// are needed for more.
const most = 100

// newLoad publishes at so many messages a second in all, until stopped.
func newLoad(t testing.TB, n *natstest.Nodes, space string, perSecond, size int) *load {
	t.Helper()
	if testing.Short() {
		perSecond /= 8 // the race detector takes its time
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: t, cancel: cancel, padding: strings.Repeat("x", size)}
	each := (perSecond + most*len(publisherKinds) - 1) / (most * len(publisherKinds))
	every := time.Second * time.Duration(len(publisherKinds)*each) / time.Duration(perSecond)
	for i := range len(publisherKinds) * each {
		k := publisherKinds[i%len(publisherKinds)]
		nc, err := nats.Connect(n.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(answerWithin))
		if err != nil {
			t.Fatal(err)
		}
		p := &pub{publisherKind: k, subject: fmt.Sprintf("%s.%s-%d", space, k.name, i/len(publisherKinds)), acked: map[int]bool{}}
		l.pubs = append(l.pubs, p)
		l.done.Go(func() {
			defer nc.Close()
			p.run(ctx, nc, js, every, l.padding)
		})
	}
	t.Cleanup(l.stop)
	return l
}

// answerWithin is how long a publisher waits for an acknowledgement.
const answerWithin = 3 * time.Second

func (l *load) stop() { l.cancel(); l.done.Wait() }

// total is how many were sent.
func (l *load) total() int {
	n := 0
	for _, p := range l.pubs {
		p.mu.Lock()
		n += p.sent
		p.mu.Unlock()
	}
	return n
}

// flows waits until so many more were sent.
func (l *load) flows(more int) {
	l.t.Helper()
	until := l.total() + more
	if err := await(l.t.Context(), func() (bool, error) { return l.total() >= until, nil }); err != nil {
		l.t.Fatal(err)
	}
}

func (p *pub) run(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, every time.Duration, padding string) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var pending sync.WaitGroup
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			_ = nc.FlushTimeout(5 * time.Second)
			pending.Wait()
			return
		case <-tick.C:
		}
		m := nats.NewMsg(p.subject)
		m.Data = []byte(strconv.Itoa(n) + " " + padding)
		if p.id {
			m.Header.Set(nats.MsgIdHdr, p.subject+"-"+strconv.Itoa(n))
		}
		start := time.Now()
		p.mu.Lock()
		p.sent = n + 1
		p.mu.Unlock()
		switch p.how {
		case "faf":
			if err := nc.PublishMsg(m); err != nil {
				p.failed(err)
			}
		case "sync":
			one, stop := context.WithTimeout(context.Background(), answerWithin)
			_, err := js.PublishMsg(one, m)
			stop()
			p.answered(n, start, err)
		case "async":
			f, err := js.PublishMsgAsync(m)
			if err != nil {
				p.failed(err)
				continue
			}
			pending.Go(func() {
				select {
				case <-f.Ok():
					p.answered(n, start, nil)
				case err := <-f.Err():
					p.answered(n, start, err)
				}
			})
		}
	}
}

func (p *pub) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

func (p *pub) answered(n int, start time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if start.After(p.since) {
		p.delays = append(p.delays, time.Since(start))
	}
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s %d: %w", p.subject, n, err))
		return
	}
	p.acked[n] = true
}

// tallied is what became of a load's messages in a stream.
type tallied struct {
	Sent, Acked, Lost, LostAcked, Doubled, ReorderedAcked, ReorderedFAF, Errors int
	Worst                                                                       time.Duration
	why                                                                         []string
	byKind                                                                      map[string]int
}

// check reads a stream whole and compares it with what was published. Publishes
// that failed may be there or not. What was published last without waiting may
// still be on its way.
func (l *load) check(c *Conn, stream string) (out tallied) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = await(ctx, func() (bool, error) { // what is still missing then is lost
		out = l.compare(l.read(c, stream))
		return out.Lost == 0, nil
	})
	return out
}

func (l *load) read(c *Conn, stream string) []relay.Stored {
	l.t.Helper()
	info, err := c.stream(context.Background(), stream)
	if err != nil {
		l.t.Fatal(err)
	}
	have, err := tail(context.Background(), c.nc, stream, []string{">"}, info.State.FirstSeq, info.State.LastSeq)
	if err != nil {
		l.t.Fatal(err)
	}
	return have
}

func (l *load) compare(have []relay.Stored) (out tallied) {
	got := map[string][]int{}
	for _, m := range have {
		word, _, _ := strings.Cut(string(m.Data), " ")
		n, err := strconv.Atoi(word)
		if err != nil {
			continue
		}
		got[m.Subject] = append(got[m.Subject], n)
	}
	for _, p := range l.pubs {
		p.mu.Lock()
		seen := map[int]int{}
		highest, swapped := -1, 0
		for _, n := range got[p.subject] {
			seen[n]++
			if n < highest {
				swapped++
			}
			highest = max(highest, n)
		}
		lost, lostAcked, doubled := 0, 0, 0
		for n := range p.sent {
			switch {
			case seen[n] == 0 && p.acked[n]:
				lostAcked++
				lost++
			case seen[n] == 0:
				lost++
			case seen[n] > 1:
				doubled++
			}
		}
		if wrong := lost + doubled + swapped + len(p.errs); wrong > 0 {
			if out.byKind == nil {
				out.byKind = map[string]int{}
			}
			out.byKind[p.name] += wrong
			out.why = append(out.why, fmt.Sprintf("%s: %d sent, %d acked, %d lost (%d acked), %d doubled, %d reordered, %d errors %v", p.subject, p.sent, len(p.acked), lost, lostAcked, doubled, swapped, len(p.errs), errors.Join(p.errs[:min(3, len(p.errs))]...)))
		}
		out.Sent, out.Acked, out.Lost, out.LostAcked, out.Doubled = out.Sent+p.sent, out.Acked+len(p.acked), out.Lost+lost, out.LostAcked+lostAcked, out.Doubled+doubled
		out.Errors += len(p.errs)
		if p.how == "faf" {
			out.ReorderedFAF += swapped
		} else {
			out.ReorderedAcked += swapped
		}
		if len(p.delays) > 0 {
			out.Worst = max(out.Worst, slices.Max(p.delays))
		}
		p.mu.Unlock()
	}
	return out
}
