package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// robotQueue is how many heartbeats a robot remembers while it cannot get
	// rid of them.
	robotQueue = 256
	// inFlight is how many questions the operators ask at once, at most.
	inFlight = 2048
	// connecting is how many connections are made at once.
	connecting = 64
)

var (
	errQueueFull = errors.New("the robot cannot remember more heartbeats")
	errAbandoned = errors.New("the load ended before there was an answer")
)

// Run lets the fleet live until the duration is over or ctx ends, lets robots
// and operators finish, and returns the statistics with the journal safe on disk.
func Run(ctx context.Context, cfg Config) (Stats, error) {
	if err := cfg.check(); err != nil {
		return Stats{}, err
	}
	if err := AllowFiles(cfg.files()); err != nil {
		return Stats{}, err
	}
	f := &fleet{
		cfg: cfg, robots: Draw(cfg.Seed, cfg.Robots, cfg.WebSocketShare),
		client: &http.Client{Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: inFlight, IdleConnTimeout: time.Minute}, Timeout: answerTime},
	}
	defer f.client.CloseIdleConnections()
	f.desks = newDesks()
	defer func() {
		for _, desk := range f.desks {
			desk.CloseIdleConnections()
		}
	}()
	var err error
	if f.journal, err = createJournal(cfg.Journal, f.robots); err != nil {
		return Stats{}, err
	}
	stats, err := f.live(ctx)
	return stats, errors.Join(err, f.journal.close())
}

type fleet struct {
	cfg     Config
	robots  []Robot
	client  *http.Client
	desks   []*http.Client // of operators
	journal *writer
	stats   *stats
	queues  []chan *heartbeat
	gateway *gateway
	reader  reader // for the watchers
}

// sent is called once for whatever was sent, when its end is known.
func (f *fleet) sent(s Sent) {
	s.DoneAt = time.Now().UnixNano()
	f.journal.add(line{Sent: &s})
	f.stats.add(s)
}

func (f *fleet) live(ctx context.Context) (Stats, error) {
	// What is under way at the end is finished under this context.
	sending, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	f.stats = newStats(time.Now(), f.cfg.Watchers)
	f.gateway = newGateway(f.robots)
	if f.cfg.Gateway != "" {
		stop, err := f.gateway.serve(ctx, f.cfg.Gateway)
		if err != nil {
			return Stats{}, err
		}
		defer stop()
	}
	watching, stopWatching := context.WithCancel(sending)
	defer stopWatching()
	watchers, err := f.watch(ctx, watching)
	if err != nil {
		return Stats{}, err
	}
	robots, err := f.wake(ctx, sending)
	if err != nil {
		return Stats{}, err
	}
	if f.cfg.Ready != nil {
		f.cfg.Ready()
	}
	operators := f.schedule(ctx, sending)
	for _, queue := range f.queues {
		close(queue)
	}
	late := time.AfterFunc(f.cfg.finish(), abandon)
	robots.Wait()
	operators.Wait()
	if !late.Stop() {
		err = fmt.Errorf("robots and operators were not answered within %s of the end", f.cfg.finish())
	}
	stopWatching()
	watchers.Wait()
	return f.stats.read(time.Now()), err
}

// schedule hands out everything when it is due, until the load ends.
func (f *fleet) schedule(ctx, sending context.Context) *sync.WaitGroup {
	if f.cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.cfg.Duration)
		defer cancel()
	}
	start := time.Now()
	f.stats.start = start
	o := &operatorsAtWork{fleet: f, room: make(chan struct{}, inFlight)}
	var streams, asking sync.WaitGroup
	beats := newBeats(f.cfg, f.robots)
	streams.Go(func() {
		pace(ctx, start, f.cfg.Heartbeats, func(_ int, due time.Time) { f.beat(beats.draw(due)) })
	})
	polls := newPolls(f.cfg, f.robots)
	streams.Go(func() {
		pace(ctx, start, f.cfg.Polls, func(n int, due time.Time) {
			path, key := polls.draw()
			asking.Go(func() { o.poll(sending, Sent{Kind: Poll, Via: HTTP, N: n, Robot: key, Due: due.UnixNano()}, path) })
		})
	})
	drives := newDrives(f.cfg, f.robots)
	streams.Go(func() {
		pace(ctx, start, f.cfg.Drives, func(_ int, _ time.Time) {
			if v := drives.draw(); v.robot >= 0 && f.cfg.drives() {
				asking.Go(func() { o.drive(ctx, sending, start, v) })
			}
		})
	})
	streams.Wait()
	return &asking
}

// wake starts every robot, connected where it reports over WebSocket.
func (f *fleet) wake(ctx, sending context.Context) (*sync.WaitGroup, error) {
	f.queues = make([]chan *heartbeat, len(f.robots))
	sockets := make([]*socket, len(f.robots))
	dialing, dialCtx := errgroup.WithContext(ctx)
	dialing.SetLimit(connecting)
	for i := range f.robots {
		r := &f.robots[i]
		f.queues[i] = make(chan *heartbeat, robotQueue)
		if r.Via == WebSocket {
			s := &socket{fleet: f, robot: r, queue: f.queues[i]}
			sockets[i] = s
			dialing.Go(func() (err error) {
				s.conn, err = f.dial(dialCtx, f.cfg.URL, r.Key)
				return err
			})
		}
	}
	err := dialing.Wait()
	var running sync.WaitGroup
	for i, s := range sockets {
		switch {
		case err != nil && s != nil && s.conn != nil:
			_ = s.conn.CloseNow()
		case err != nil:
		case s != nil:
			running.Go(func() { s.run(sending) })
		default:
			running.Go(func() { f.postAll(sending, &f.robots[i], f.queues[i]) })
		}
	}
	return &running, err
}

// beat gives a heartbeat to its robot; it does not wait for it.
func (f *fleet) beat(h *heartbeat) {
	f.gateway.says(h)
	select {
	case f.queues[h.robot] <- h:
	default:
		h.Outcome, h.Error = Failed, errQueueFull.Error()
		f.sent(h.Sent)
	}
}
