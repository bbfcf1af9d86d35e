package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/throwaway"
)

var _ driver.Dumper = (*Conn)(nil)

// ID implements driver.Dumper: it is the account's.
func (c *Conn) ID(context.Context) (string, error) {
	return kind + ":" + c.cluster + "/" + c.account, nil
}

// Dump implements driver.Dumper: all streams of the account, each with its
// consumers, in a directory of its own as nats.backup would leave it. Each stream
// is as it was at a moment of its own.
func (c *Conn) Dump(ctx context.Context, dir string) (driver.Dump, error) {
	d := driver.Dump{Server: c.nc.ConnectedServerVersion(), Taken: time.Now(), Counts: map[string]int64{}}
	d.ID, _ = c.ID(ctx)
	streams, err := c.streamNames(ctx)
	if err != nil {
		return d, err
	}
	for _, stream := range streams {
		m, err := c.dump(ctx, stream, dir)
		if err != nil {
			if info, gone := c.stream(ctx, stream); gone == nil && info == nil { // deleted meanwhile
				continue
			}
			return d, fmt.Errorf("%s: dump of stream %s: %w", c, stream, err)
		}
		d.Counts[stream] = int64(m.Messages) //nolint:gosec // no stream has as many
	}
	return d, nil
}

func (c *Conn) dump(ctx context.Context, stream, dir string) (*manifest, error) {
	own, err := os.MkdirTemp(dir, ".partial-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(own) }() // gone already when all is well
	m, err := c.snapshot(ctx, stream, own, true)
	if err != nil {
		return nil, err
	}
	if err := m.write(ctx, own); err != nil {
		return nil, err
	}
	return m, os.Rename(own, filepath.Join(dir, m.name()))
}

// Prove implements driver.Dumper, on a server of one node that only who knows its
// password can use.
func (c *Conn) Prove(ctx context.Context, dir string, d driver.Dump) (err error) {
	i, scratch, err := instance(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scratch.Close(), i.Close()) }()
	for stream, messages := range d.Counts {
		if err := scratch.prove(ctx, dir, stream, messages, i.Dir); err != nil {
			return fmt.Errorf("restore stream %s in a server of its own: %w", stream, err)
		}
	}
	return nil
}

// prove restores a stream by nats.restore, closed and on one node, and compares it
// in a directory of the throw-away server.
func (c *Conn) prove(ctx context.Context, dir, stream string, messages int64, room string) error {
	never, one := time.Duration(0), int64(1)
	a, err := newRestore(ctx, c, restoreParams{Stream: stream, From: dir, Foreign: true, Closed: true, MaxAge: &never, Replicas: &one})
	if err != nil {
		return err
	}
	r := a.(*restore)
	before, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	others, err := r.Survey(ctx)
	if err != nil {
		return err
	}
	want, err := r.PlanAmong(before, others)
	if err != nil {
		return err
	}
	e := driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}
	e.Save = func(_ context.Context, cursor any) (err error) {
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	if _, err := r.Apply(ctx, e); err != nil {
		return err
	}
	return c.asDumped(ctx, filepath.Join(dir, word(want[r.id]["restored"])), stream, messages, room)
}

// asDumped compares a restored stream, by a snapshot of it in room, with the
// dump in dir: all messages, and how far each durable consumer was.
func (c *Conn) asDumped(ctx context.Context, dir, stream string, messages int64, room string) error {
	own := filepath.Join(room, "again-"+stream)
	if err := os.Mkdir(own, 0o700); err != nil {
		return err
	}
	var was manifest
	if err := was.read(ctx, dir); err != nil {
		return err
	}
	is, err := c.snapshot(ctx, stream, own, true)
	if err != nil {
		return fmt.Errorf("look at what is restored: %w", err)
	}
	unlike := func(format string, args ...any) error {
		return fmt.Errorf("what is restored is not what was dumped: "+format, args...)
	}
	switch {
	case int64(is.Messages) != messages: //nolint:gosec // no stream has as many
		return unlike("it has %d messages, and had %d messages", is.Messages, messages)
	case is.LastSeq != was.LastSeq:
		return unlike("its last sequence is %d, and was %d", is.LastSeq, was.LastSeq)
	case is.content != was.content && is.content != "" && was.content != "":
		return unlike("as many messages, and others")
	}
	now := map[string]savedConsumer{}
	for _, k := range is.Consumers {
		now[k.Name] = k
	}
	for _, k := range was.Consumers {
		if !k.Durable { // others may be gone already
			continue
		}
		got, there := now[k.Name]
		switch {
		case !there:
			return unlike("consumer %s is missing", k.Name)
		case got.Delivered != k.Delivered || got.AckFloor != k.AckFloor:
			return unlike("consumer %s had got to %+v and acknowledged up to %+v, and is at %+v and %+v", k.Name, k.Delivered, k.AckFloor, got.Delivered, got.AckFloor)
		}
	}
	return nil
}

// instance starts a nats-server, and connects to it.
func instance(ctx context.Context) (_ *throwaway.Instance, _ *Conn, err error) {
	server, err := serverProgram()
	if err != nil {
		return nil, nil, err
	}
	i, err := throwaway.New()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = i.Close()
		}
	}()
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // it never fails
	password := hex.EncodeToString(secret)
	config := filepath.Join(i.Dir, "nats.conf")
	text := fmt.Sprintf("server_name: throwaway\nlisten: \"127.0.0.1:-1\"\nports_file_dir: %q\njetstream {store_dir: %q}\nauthorization {user: segue, password: %q}\n",
		i.Dir, filepath.Join(i.Dir, "js"), password)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	if err := i.Give(config); err != nil {
		return nil, nil, err
	}
	var conn *Conn
	err = i.Start(ctx, func(ctx context.Context) error {
		at, err := address(i.Dir)
		if err != nil {
			return err
		}
		conn, err = open(ctx, connParams{URL: "nats://segue:" + password + "@" + at})
		return err
	}, server, "-c", config)
	return i, conn, err
}

// serverProgram finds nats-server in PATH or beside Segue's own program.
func serverProgram() (string, error) {
	if path, err := exec.LookPath("nats-server"); err == nil {
		return filepath.Abs(path)
	}
	own, err := os.Executable()
	if err == nil {
		path := filepath.Join(filepath.Dir(own), "nats-server")
		if _, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: there is no nats-server in PATH, nor beside segue", driver.ErrNoInstance)
}

// address is where the server in dir listens, once it does.
func address(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.ports"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("it does not listen yet")
	}
	raw, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	var ports struct {
		NATS []string `json:"nats"`
	}
	if err := json.Unmarshal(raw, &ports); err != nil || len(ports.NATS) == 0 {
		return "", fmt.Errorf("it does not say where it listens: %s", raw)
	}
	return ports.NATS[0][len("nats://"):], nil
}
