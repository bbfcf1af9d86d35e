package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/segue-run/segue/driver"
)

const (
	followMost = 2000                   // changes that are handed over at a time
	followWait = 20 * time.Millisecond  // how long fewer wait for more
	followAsk  = 500 * time.Millisecond // how often the server is asked how far it is
	followLost = time.Minute            // without a word from the server the connection is dead
)

// Follow implements driver.Follower. A connection that is lost is made again.
func (s *rowSource) Follow(ctx context.Context, name string, after driver.Position, take func(driver.Changes) (driver.Position, error)) error {
	f := &following{s: s, name: name, take: take}
	var err error
	if f.kept, err = lsnOf(after); err != nil {
		return err
	}
	pause, since := 50*time.Millisecond, time.Now()
	for ctx.Err() == nil {
		heard := f.kept
		err := f.follow(ctx)
		if f.taken != nil || !lost(err) || errors.Is(err, driver.ErrNotMine) {
			return errors.Join(f.taken, err)
		}
		if f.kept > heard {
			pause, since = 50*time.Millisecond, time.Now()
		}
		if time.Since(since) > patience {
			return s.session.db.wrap(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		}
	}
	return nil
}

// following is the log as it comes.
type following struct {
	s     *rowSource
	name  string
	take  func(driver.Changes) (driver.Position, error)
	taken error // of take
	kept  uint64

	conn    *pgconn.PgConn
	decoder decoder
	pending []driver.Change
	partial []int  // indexes of pending rows that miss long values
	within  bool   // a transaction is being told
	next    uint64 // position after the last whole one

	// Where the server's log ended when it was asked last: what comes up to there
	// is all that was committed by then.
	end   uint64
	ended time.Time
}

// follow follows over one connection.
func (f *following) follow(ctx context.Context) (err error) {
	if err := f.mayGoOn(ctx); err != nil {
		return err
	}
	cfg := f.s.session.db.pool.Config().ConnConfig
	for k, v := range exact() {
		cfg.RuntimeParams[k] = v
	}
	cfg.RuntimeParams["replication"] = "database"
	if f.conn, err = pgconn.ConnectConfig(ctx, &cfg.Config); err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.Background(), closing)
		defer cancel()
		_ = f.conn.Close(bye)
	}()
	f.decoder, f.within, f.next = decoder{relations: map[uint32]relation{}}, false, f.kept
	f.pending, f.partial = nil, nil
	f.conn.Frontend().Send(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (proto_version '1', publication_names %s)",
		quote(f.name), lsnText(f.kept), literal(quote(f.name)))})
	if err := f.conn.Frontend().Flush(); err != nil {
		return err
	}
	late, err := f.s.writtenLate(ctx)
	if err != nil {
		return err
	}
	f.end = 0
	asked, heard := time.Time{}, time.Now()
	for ctx.Err() == nil {
		if time.Since(asked) >= followAsk {
			asked = time.Now()
			if f.end == 0 {
				if f.end, err = f.s.logEnd(ctx); err != nil {
					return err
				}
				f.ended = asked.Add(-late)
			}
			if err := f.say(true); err != nil {
				return err
			}
		}
		msg, err := f.receive(ctx)
		switch {
		case err != nil:
			return err
		case msg == nil && time.Since(heard) > followLost:
			return errors.New("the server is silent")
		case msg == nil:
			if err := f.handOver(ctx); err != nil {
				return err
			}
			continue
		}
		heard = time.Now()
		if err := f.hear(ctx, msg); err != nil {
			return err
		}
	}
	return nil
}

// mayGoOn looks whether the log is where it was left. A slot that is further on
// has told somebody else what is missing here.
func (f *following) mayGoOn(ctx context.Context) error {
	found, err := f.s.slot(ctx, f.name)
	if err != nil {
		return err
	}
	end, err := f.s.logEnd(ctx)
	if err != nil {
		return err
	}
	anew := "; what was changed meanwhile may be missing: undo this step and take it anew"
	switch confirmed, err := parseLSN(found.confirmed); {
	case !found.there:
		return fmt.Errorf("%w: replication slot %s of %s is gone%s", errAnswer, f.name, f.s.session.db, anew)
	case found.status == "lost":
		return fmt.Errorf("%w: the server has dropped the log that replication slot %s needs%s", errAnswer, f.name, anew)
	case err != nil:
		return err
	case confirmed > f.kept:
		return fmt.Errorf("%w: replication slot %s is at %s, past %s, up to which this sync has come: somebody else has read from it%s", errAnswer, f.name, lsnText(confirmed), lsnText(f.kept), anew)
	case end < f.kept:
		return fmt.Errorf("%w: the server's log ends at %s, before %s, which it had reached before: it was set back%s", errAnswer, lsnText(end), lsnText(f.kept), anew)
	}
	return nil
}

// receive waits for a message, but not for long; nil is none.
func (f *following) receive(ctx context.Context) (pgproto3.BackendMessage, error) {
	patient := followAsk
	if len(f.pending) > 0 {
		patient = followWait
	}
	short, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	msg, err := f.conn.ReceiveMessage(short)
	if err != nil && pgconn.Timeout(err) && ctx.Err() == nil {
		return nil, nil //nolint:nilnil // none came
	}
	return msg, err
}

func (f *following) hear(ctx context.Context, msg pgproto3.BackendMessage) error {
	switch msg := msg.(type) {
	case *pgproto3.ErrorResponse:
		return pgconn.ErrorResponseToPgError(msg)
	case *pgproto3.CopyData:
		switch {
		case len(msg.Data) >= 25 && msg.Data[0] == 'w':
			return f.change(ctx, msg.Data[25:])
		case len(msg.Data) >= 18 && msg.Data[0] == 'k':
			if !f.within {
				f.next = max(f.next, binary.BigEndian.Uint64(msg.Data[1:]))
				return f.handOver(ctx)
			}
		}
	case *pgproto3.CopyDone, *pgproto3.CommandComplete:
		return errors.New("the server ended the log")
	}
	return nil
}

// say tells the server up to where nothing is needed again.
func (f *following) say(answer bool) error {
	data := make([]byte, 34)
	data[0] = 'r'
	for i := range 3 { // written, on the disk, applied
		binary.BigEndian.PutUint64(data[1+8*i:], f.kept)
	}
	binary.BigEndian.PutUint64(data[25:], uint64(time.Since(epoch).Microseconds())) //nolint:gosec // after 2000
	if answer {
		data[33] = 1
	}
	f.conn.Frontend().Send(&pgproto3.CopyData{Data: data})
	return f.conn.Frontend().Flush()
}

// epoch is where the times of the protocol begin.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
