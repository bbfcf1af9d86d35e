package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// topics are what a seed's watchers look at.
func topics(cfg Config, robots []Robot) []string {
	rng := rand.New(rand.NewPCG(cfg.Seed, streamWatchers))
	out := make([]string, cfg.Watchers)
	for i := range out {
		x, r := rng.IntN(10), &robots[rng.IntN(len(robots))]
		switch {
		case cfg.Topic != "":
			out[i] = cfg.Topic
		case x < 1:
			out[i] = api.TopicRobots
		case x < 2:
			out[i] = api.TopicTeleoperation
		case x < 4:
			out[i] = api.TopicType + string(r.Type)
		default:
			out[i] = api.TopicRobot + r.Key
		}
	}
	return out
}

// watch connects every watcher, and lets them watch until watching ends.
func (f *fleet) watch(ctx, watching context.Context) (*sync.WaitGroup, error) {
	names := topics(f.cfg, f.robots)
	conns := make([]*websocket.Conn, len(names))
	dialing, dialCtx := errgroup.WithContext(ctx)
	dialing.SetLimit(connecting)
	for i, topic := range names {
		dialing.Go(func() error {
			conn, err := f.subscribe(dialCtx, topic)
			if err != nil {
				return fmt.Errorf("watcher %d of %d: %w", i+1, len(names), err)
			}
			conns[i] = conn
			return nil
		})
	}
	err := dialing.Wait()
	var running sync.WaitGroup
	for i, conn := range conns {
		switch {
		case conn == nil:
		case err != nil:
			_ = conn.CloseNow()
		default:
			f.stats.watched(func(w *Fanout) { w.Connected++ })
			running.Go(func() { f.lookOn(watching, conn, names[i]) })
		}
	}
	return &running, err
}

// subscribe is done when the server says so.
func (f *fleet) subscribe(ctx context.Context, topic string) (_ *websocket.Conn, err error) {
	conn, err := f.dial(ctx, f.cfg.watchURL(), "")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = conn.CloseNow() // it was of no use
		}
	}()
	if err := write(ctx, conn, api.Message{Type: api.TypeSubscribe, Topics: []string{topic}}); err != nil {
		return nil, err
	}
	for {
		_, raw, err := conn.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("subscribe to %s: %w", topic, err)
		}
		switch t, err := f.reader.read(raw); {
		case err != nil:
			return nil, err
		case t.kind == api.TypeSubscribed:
			return conn, nil
		case t.kind == api.TypeError:
			return nil, fmt.Errorf("subscribe to %s: %s", topic, t.error)
		}
	}
}

// lookOn watches, and connects again when it must.
func (f *fleet) lookOn(ctx context.Context, conn *websocket.Conn, topic string) {
	counts := f.stats.watcher()
	for {
		f.hear(ctx, conn, counts)
		if ctx.Err() != nil {
			return
		}
		f.stats.watched(func(w *Fanout) { w.Drops++; w.Connected-- })
		for {
			if !sleep(ctx, pause) {
				return
			}
			var err error
			if conn, err = f.subscribe(ctx, topic); err == nil {
				break
			}
		}
		f.stats.watched(func(w *Fanout) { w.Connected++ })
	}
}

// hear takes what comes until the connection ends.
func (f *fleet) hear(ctx context.Context, conn *websocket.Conn, counts *watcher) {
	ear := newEar(ctx, conn)
	defer ear.close()
	for {
		raw, err := ear.next()
		if err != nil {
			return
		}
		arrived := time.Now().UnixNano()
		t, err := f.reader.read(raw)
		if err != nil {
			return
		}
		switch t.kind {
		case api.TypePing:
			if err := write(ctx, conn, api.Message{Type: api.TypePong}); err != nil {
				return
			}
		case api.TypeState:
			counts.changed(time.Duration(arrived-t.due), t.due != 0)
		}
	}
}
