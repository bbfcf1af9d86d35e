package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/nats.go"
)

// chunkSize is how much of a snapshot goes into one message.
const chunkSize = 64 * 1024

// interest is how long a subject may have nobody on it that the server has
// just named: that it listens there comes to other nodes by another way.
const interest = 5 * time.Second

// transfer has the server make a stream from the snapshot in b, with the
// configuration cfg and with its consumers or without. It fails when the
// connection is lost meanwhile. begun: the server took the request, so that
// after a failure there is something to clear away.
//
// jsm.go does the same, heeds ctx only between two chunks, drops keys that it
// does not know, and gives up when the first chunk comes too early (1 in 9 on
// three nodes, jsm.go v0.5.1 and nats-server 2.15.2).
func (c *Conn) transfer(ctx context.Context, stream string, b found, consumers bool, cfg config) (begun bool, err error) {
	raw, err := os.ReadFile(filepath.Join(b.dir, jsm.SnapshotMetaFile))
	if err != nil {
		return false, err
	}
	var req struct {
		Config config          `json:"config"`
		State  json.RawMessage `json:"state"`
	}
	if err := json.Unmarshal(raw, &req); err != nil {
		return false, fmt.Errorf("%s: %w", jsm.SnapshotMetaFile, err)
	}
	req.Config = cfg
	archive, err := archiveOf(b, consumers)
	if err != nil {
		return false, err
	}
	defer func() { _ = archive.Close() }()
	lost := c.losing()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lost:
			cancel(errors.New("the connection was lost while the snapshot was sent"))
		case <-ctx.Done():
		}
	}()
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	// Asked once: it is no question, and a second one would be refused.
	if err := c.once(ctx, callTimeout, "$JS.API.STREAM.RESTORE."+stream, compact(req), &to); err != nil {
		return false, err
	}
	return true, c.chunks(ctx, to.Subject, archive)
}

// chunks sends an archive piece by piece.
func (c *Conn) chunks(ctx context.Context, subject string, archive io.Reader) error {
	for piece := make([]byte, chunkSize); ; {
		n, err := io.ReadFull(archive, piece)
		if n > 0 {
			if err := c.chunk(ctx, callTimeout, subject, piece[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return c.chunk(ctx, 0, subject, nil) // the server may have much to do then
		case err != nil:
			return err
		}
	}
}

// chunk sends a piece and waits for its answer, for as long as ctx without a
// patience.
func (c *Conn) chunk(ctx context.Context, patience time.Duration, subject string, data []byte) error {
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
		defer cancel()
	}
	for start := time.Now(); ; {
		m, err := c.nc.RequestWithContext(ctx, subject, data)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, nats.ErrNoResponders) && time.Since(start) < interest: // nobody took it
			if err := sleep(ctx, again); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case len(m.Data) == 0:
			return nil
		}
		var reply struct {
			Error *replyError `json:"error"`
		}
		if err := json.Unmarshal(m.Data, &reply); err != nil {
			return fmt.Errorf("the server's answer to a piece of the snapshot: %w", err)
		}
		if reply.Error != nil {
			return reply.Error
		}
		return nil
	}
}
