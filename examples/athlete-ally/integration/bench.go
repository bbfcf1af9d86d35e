package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/publish"
)

// bench is what all tests of a run share.
type bench struct {
	Target
	mark      string // begins every id and user of this run
	nc        *nats.Conn
	js        jetstream.JetStream
	publisher publish.Publisher
	db        *pgxpool.Pool
	web       *http.Client
	settled   *settlements
	began     map[string]uint64 // the last sequence of each stream before the run
}

func open(ctx context.Context, target Target) (_ *bench, err error) {
	b := &bench{
		Target: target, mark: event.ProbePrefix + strings.ToLower(rand.Text()[:10]) + "-",
		web: &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}},
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b.nc, err = nats.Connect(target.NATSURL, nats.Name("integration"), nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond), nats.Timeout(2*time.Second), nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	b.publisher = publish.Publisher{JS: b.js, Budget: 5 * time.Second, Timeout: 500 * time.Millisecond}
	if b.settled, err = watchSettlements(b.nc); err != nil {
		return nil, err
	}
	if b.began, err = b.lastSequences(ctx); err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(target.DatabaseURL)
	if err != nil {
		return nil, errors.New("the database's URL cannot be read") // it holds a password
	}
	cfg.MaxConns, cfg.ConnConfig.ConnectTimeout = atOnce, 10*time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = "integration"
	if b.db, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return b, nil
}

func (b *bench) close() {
	if b.db != nil {
		b.db.Close()
	}
	if b.nc != nil {
		b.nc.Close()
	}
	b.web.CloseIdleConnections()
}

func (b *bench) nodes() int { return len(strings.Split(b.NATSURL, ",")) }

// lastSequences lists the streams, with the last sequence of each.
func (b *bench) lastSequences(ctx context.Context) (map[string]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	out := map[string]uint64{}
	list := b.js.ListStreams(ctx)
	for info := range list.Info() {
		out[info.Config.Name] = info.State.LastSeq
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	return out, nil
}

// owner is the stream that takes a subject; "" if there is none.
func (b *bench) owner(ctx context.Context, subject string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	name, err := b.js.StreamNameBySubject(ctx, subject)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return "", fmt.Errorf("ask for the owner of %s: %w", subject, err)
	}
	return name, nil
}

// probe is what one test sends under names of its own.
type probe struct {
	*bench
	mark string

	mu   sync.Mutex
	n    int
	sent []place
}

// place is where a message lies.
type place struct {
	subject, stream string
	seq             uint64
	id              string
}

func (b *bench) probe(i int) *probe {
	return &probe{bench: b, mark: fmt.Sprintf("%st%d-", b.mark, i+1)}
}

// name is fresh, and the test's own.
func (p *probe) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return fmt.Sprintf("%s%d", p.mark, p.n)
}

func (p *probe) stored(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, at)
}

// askWithin bounds one question: what a busy cluster has lost is asked again.
const askWithin = 3 * time.Second

// await asks one question until the answer is nil; the error says what was last
// wrong.
func await(ctx context.Context, ask func(ctx context.Context) error) error {
	return attempt(ctx, func(ctx context.Context) error {
		once, cancel := context.WithTimeout(ctx, askWithin)
		defer cancel()
		return ask(once)
	})
}

// toItsEnd is for what writes: an interrupt does not recall what was sent, so its
// answer is awaited, for a while, to know where it lies.
func toItsEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), askWithin)
}

// attempt tries something that takes several steps, and may take all the time
// there is.
func attempt(ctx context.Context, try func(ctx context.Context) error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		// What the end of all time cut off says less than what was before.
		if ctx.Err() != nil && last != nil && errors.Is(err, context.DeadlineExceeded) {
			err = last
		}
		last = err
		if err == nil || errors.As(err, new(*finalError)) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
	}
}

// finalError is an answer that asking again will not change.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func final(format string, args ...any) error { return &finalError{fmt.Errorf(format, args...)} }
