package nats

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/jsm.go"

	"github.com/segue-run/segue/driver"
)

const (
	// checking is how long the server may take to check a stream's messages
	// before it sends the first.
	checking = time.Minute
	// stalled is how long nothing of a snapshot may come: when its leader
	// dies, nobody says so.
	stalled = 15 * time.Second
	// snapshots is how often one is begun anew, when the leader or the
	// connection changed under it.
	snapshots = 3
)

// snapshot puts a stream's snapshot into dir and reads it back: it is whole.
func (c *Conn) snapshot(ctx context.Context, stream, dir string, consumers bool) (*manifest, error) {
	var last error
	for range snapshots {
		m, err := c.snapshotOnce(ctx, stream, dir, consumers)
		if err == nil {
			return m, nil
		}
		last = err
		if sleep(ctx, rarely) != nil {
			break
		}
	}
	return nil, last
}

func (c *Conn) snapshotOnce(ctx context.Context, stream, dir string, consumers bool) (*manifest, error) {
	lost := c.losing()
	info, err := c.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fmt.Errorf("there is no stream %s", stream)
	}
	mgr, err := c.manager(ctx, checking)
	if err != nil {
		return nil, err
	}
	s, err := mgr.LoadStream(stream)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lost:
			cancel(fmt.Errorf("the connection was lost while the snapshot came"))
		case <-ctx.Done():
		}
	}()
	opts := []jsm.SnapshotOption{jsm.SnapshotHealthCheck(), jsm.SnapshotNotify(watchful(ctx, cancel))}
	if consumers {
		opts = append(opts, jsm.SnapshotConsumers())
	}
	m := &manifest{Cluster: c.cluster, Account: c.account, Stream: stream, Created: info.Created, Taken: time.Now(), NoConsumers: !consumers}
	if _, err := s.SnapshotToDirectory(ctx, dir, opts...); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return m, m.read(ctx, dir)
}

// watchful ends a snapshot of which nothing comes any more. jsm.go calls it
// once a second, from several goroutines.
func watchful(ctx context.Context, cancel context.CancelCauseFunc) func(jsm.SnapshotProgress) {
	var mu sync.Mutex
	var last uint64
	since := time.Now()
	return func(p jsm.SnapshotProgress) {
		mu.Lock()
		defer mu.Unlock()
		n := p.BytesReceived()
		driver.Tell(ctx, driver.Progress{Done: float64(n), Of: float64(p.BytesExpected()), What: "bytes"})
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > stalled {
			cancel(fmt.Errorf("nothing of the snapshot has come for %s", stalled))
		}
	}
}

// manager is jsm.go's, whose requests wait no longer than ctx.
func (c *Conn) manager(ctx context.Context, wait time.Duration) (*jsm.Manager, error) {
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end))
	}
	return jsm.New(c.nc, jsm.WithTimeout(wait))
}
