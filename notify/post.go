package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/secret"
)

// A Store is what a Post needs of a journal's store.
type Store interface {
	journal.Reader
	Deliver(ctx context.Context, d journal.Delivery) error
}

// Drivers opens connections. *driver.Catalog does.
type Drivers interface {
	runbook.Catalog
	Open(ctx context.Context, u runbook.Use, env driver.Env) (driver.Conn, error)
}

// A Post brings the notices of one run to their receivers. Store, Drivers and
// Run must be set.
type Post struct {
	Store   Store
	Drivers Drivers
	Run     string // the run's ID
	Secrets *secret.Redactor
	Log     *slog.Logger
	// Holder says who carries the run out; "" for nobody.
	Holder string
	// Ask reads the checks that a template names. Nil: figures are not known.
	Ask func(ctx context.Context, rb *runbook.Runbook, checks []string) ([]runner.Checked, error)

	history *runner.History
	story   *story
	done    map[string]journal.Delivery // by key
	lanes   map[string]*lane            // by receiver
	going   sync.WaitGroup

	mu    sync.Mutex // of conns; all else is Deliver's own
	conns map[string]*opening
}

// opening is a connection that is opened by the first who needs it.
type opening struct {
	mu   sync.Mutex
	conn driver.Notifier
}

func (p *Post) log() *slog.Logger {
	if p.Log != nil {
		return p.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (p *Post) secrets() *secret.Redactor {
	if p.Secrets == nil {
		p.Secrets = &secret.Redactor{}
	}
	return p.Secrets
}

// Deliver brings notices to their receivers, as the journal goes on, until stop
// is closed; then it takes what the journal holds by then, and waits for no
// longer than patience until all is delivered. It returns how many notices are
// not: the next Deliver for the run tries them again.
func (p *Post) Deliver(ctx context.Context, stop <-chan struct{}, patience time.Duration) (left int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		p.going.Wait()
		p.close()
	}()
	if err := p.begin(ctx); err != nil {
		return 0, err
	}
	records := make(chan journal.Record)
	following, unfollow := context.WithCancel(ctx)
	defer unfollow()
	var follow sync.WaitGroup
	follow.Go(func() { p.follow(following, records) })
	if err := p.carry(ctx, records, stop); err != nil {
		unfollow()
		follow.Wait()
		return p.left(), err
	}
	unfollow()
	follow.Wait()
	rest, err := p.Store.Read(context.WithoutCancel(ctx), p.Run, p.history.Seq, 0)
	if err != nil {
		return p.left(), fmt.Errorf("read what is to be told of run %s: %w", p.Run, err)
	}
	for _, rec := range rest {
		if err := p.take(ctx, rec); err != nil {
			return p.left(), err
		}
	}
	p.settle(ctx, patience)
	return p.left(), nil
}

// begin reads what was delivered before.
func (p *Post) begin(ctx context.Context) error {
	p.secrets()
	p.history, p.story = &runner.History{Run: p.Run, State: engine.New()}, newStory(p.Run)
	p.done, p.lanes, p.conns = map[string]journal.Delivery{}, map[string]*lane{}, map[string]*opening{}
	before, err := p.Store.Deliveries(ctx, p.Run)
	if err != nil {
		return fmt.Errorf("read what was told of run %s: %w", p.Run, err)
	}
	for _, d := range before {
		if strings.HasPrefix(d.Key, updateKey) && !d.Next.IsZero() {
			d = overtaken(d) // it would say how things were
			p.keep(ctx, d)
		}
		p.done[d.Key] = d
	}
	records, err := p.Store.Read(ctx, p.Run, 0, 0)
	if err != nil {
		return fmt.Errorf("read what is to be told of run %s: %w", p.Run, err)
	}
	for _, rec := range records {
		if err := p.take(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// follow hands records over as they come.
func (p *Post) follow(ctx context.Context, out chan<- journal.Record) {
	after := p.history.Seq
	for ctx.Err() == nil {
		err := p.Store.Follow(ctx, p.Run, after, func(rec journal.Record) error {
			select {
			case out <- rec:
				after = rec.Seq
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if ctx.Err() == nil {
			p.log().Warn("the journal cannot be followed; trying again", "run", p.Run, "error", err)
			pause(ctx, time.Second)
		}
	}
}

// carry takes records and sends what is due by time, until it is to stop.
func (p *Post) carry(ctx context.Context, records <-chan journal.Record, stop <-chan struct{}) error {
	for {
		timer := time.NewTimer(max(time.Until(p.update(ctx, time.Now())), 0))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stop:
			return nil
		case <-timer.C:
		case rec := <-records:
			if err := p.take(ctx, rec); err != nil {
				return err
			}
		}
		timer.Stop()
	}
}

// settle waits until every letter is delivered or given up, or the time is over.
func (p *Post) settle(ctx context.Context, patience time.Duration) {
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for p.left() > 0 && pause(late, 10*time.Millisecond) {
	}
}

func (p *Post) left() int {
	n := 0
	for _, l := range p.lanes {
		n += l.left()
	}
	return n
}

// take folds a record and sends what is told of it.
func (p *Post) take(ctx context.Context, rec journal.Record) error {
	if rec.Seq <= p.history.Seq {
		return nil
	}
	if err := p.history.Take(p.Drivers, rec); err != nil {
		return err
	}
	e := p.history.Events[len(p.history.Events)-1]
	for _, n := range p.story.tell(e, p.history.State) {
		for _, l := range letters(e.Runbook, n) {
			p.send(ctx, l)
		}
	}
	return nil
}

// send puts a letter into its lane, unless its delivery has an end already.
func (p *Post) send(ctx context.Context, l letter) {
	was, known := p.done[l.key]
	if known && was.Next.IsZero() {
		return
	}
	if !known {
		was = journal.Delivery{Run: p.Run, Key: l.key, To: l.receiver(), What: p.secrets().Redact(l.Title)}
	}
	was.Next = time.Time{} // a new process tries at once
	j := &job{letter: l, done: was}
	if l.template != "" {
		j.fill = p.filler(l)
	}
	for _, old := range p.lane(ctx, l).add(j) {
		p.keep(ctx, overtaken(old))
	}
}

// lane is that of a letter's receiver.
func (p *Post) lane(ctx context.Context, l letter) *lane {
	name := l.receiver()
	way := p.lanes[name]
	if way == nil {
		thread := ""
		for _, d := range p.done {
			if d.To == name && d.Thread != "" {
				thread = d.Thread
			}
		}
		way = newLane(p, thread)
		p.lanes[name] = way
		p.going.Go(func() { way.run(ctx) })
	}
	return way
}

// tell sends a letter once.
func (p *Post) tell(ctx context.Context, l letter, thread string) (string, error) {
	conn, err := p.conn(ctx, l.on)
	if err != nil {
		return "", err
	}
	n := l.Notice
	n.Title, n.Text = p.secrets().Redact(n.Title), p.secrets().Redact(n.Text)
	return conn.Tell(ctx, n, l.to, thread)
}

// conn opens a connection when it is first needed. An opening that fails is
// tried again by the next one who asks.
func (p *Post) conn(ctx context.Context, def runbook.Conn) (driver.Notifier, error) {
	p.mu.Lock()
	o := p.conns[def.Name]
	if o == nil {
		o = &opening{}
		p.conns[def.Name] = o
	}
	p.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn != nil {
		return o.conn, nil
	}
	conn, err := p.Drivers.Open(ctx, def.Use, p.secrets().Resolve)
	if err != nil {
		return nil, fmt.Errorf("open connection %s (%s): %w", def.Name, def.Kind.Name, err)
	}
	tells, ok := conn.(driver.Notifier)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("connection %s (%s) tells nobody anything", def.Name, def.Kind.Name)
	}
	o.conn = tells
	return tells, nil
}

func (p *Post) close() {
	for name, o := range p.conns {
		if o.conn != nil {
			if err := o.conn.Close(); err != nil {
				p.log().Warn("close connection", "name", name, "error", err)
			}
		}
	}
}

// keep writes down what became of a delivery. A store that does not take it is
// no reason not to deliver: at worst it is delivered again after a crash.
func (p *Post) keep(ctx context.Context, d journal.Delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := p.Store.Deliver(ctx, d); err != nil {
		p.log().Warn("a delivery could not be kept", "run", p.Run, "notice", d.Key, "error", err)
	}
	level := slog.LevelInfo
	if !d.Delivered {
		level = slog.LevelWarn
	}
	p.log().Log(ctx, level, "told", "run", p.Run, "notice", d.Key, "delivered", d.Delivered, "tries", d.Tries, "error", d.Error)
}
