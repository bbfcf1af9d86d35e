package postgres

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
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
	f.end = 0
	asked, heard := time.Time{}, time.Now()
	for ctx.Err() == nil {
		if time.Since(asked) >= followAsk {
			asked = time.Now()
			if f.end == 0 {
				if f.end, err = f.s.logEnd(ctx); err != nil {
					return err
				}
				f.ended = asked
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

// logEnd is, as SQL, where the server's log ends.
const logEnd = "(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text"

// logEnd is where the server's log ends.
func (s *rowSource) logEnd(ctx context.Context) (uint64, error) {
	var text string
	err := s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select "+logEnd).Scan(&text)
	})
	if err != nil {
		return 0, err
	}
	return parseLSN(text)
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

// change takes up one change.
func (f *following) change(ctx context.Context, data []byte) error {
	m, err := f.decoder.decode(data)
	if err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	switch m.kind {
	case 'B':
		f.within = true
	case 'C':
		f.within, f.next = false, max(f.next, m.end)
	case 'T':
		return fmt.Errorf("%w: %s was truncated: what that deleted must be deleted by hand where it was brought to, and this step be taken anew", errAnswer, f.s.from)
	case 'I', 'U', 'D':
		if err := f.add(m); err != nil {
			return fmt.Errorf("%w: %w", errAnswer, err)
		}
	}
	if len(f.pending) >= followMost {
		return f.handOver(ctx)
	}
	return nil
}

func (f *following) add(m message) error {
	if m.old != nil {
		key, err := m.rel.keyed(*m.old, f.s.key)
		if err != nil {
			return err
		}
		f.pending = append(f.pending, driver.Change{Record: key, Gone: true})
	}
	if m.kind == 'D' {
		return nil
	}
	record, whole, err := m.rel.record(m.now)
	if err != nil {
		return err
	}
	if !whole {
		f.partial = append(f.partial, len(f.pending))
	}
	f.pending = append(f.pending, driver.Change{Record: record})
	return nil
}

// handOver hands over what has come.
func (f *following) handOver(ctx context.Context) error {
	var fresh time.Time
	if !f.within && f.end > 0 && f.next >= f.end {
		fresh, f.end = f.ended, 0
	}
	if len(f.pending) == 0 && fresh.IsZero() {
		return nil
	}
	if err := f.complete(ctx); err != nil {
		return err
	}
	changes := driver.Changes{Changes: f.pending, Fresh: fresh}
	if !f.within {
		changes.Next = position(lsnText(f.next))
	}
	f.pending = nil
	kept, err := f.take(changes)
	if err != nil {
		f.taken = err
		return err
	}
	if kept != nil {
		if f.kept, err = lsnOf(kept); err != nil {
			return err
		}
	}
	return nil
}

// complete reads again the rows of which the log does not tell all: they are
// then as new or newer. One that is gone by now, the log will say so.
func (f *following) complete(ctx context.Context) error {
	for _, i := range f.partial {
		values := make([]string, len(f.s.key))
		args := make([][]byte, len(f.s.key))
		for j, name := range idents(f.s.key) {
			values[j] = fmt.Sprintf("%s = $%d", name, j+1)
			args[j] = []byte(fmt.Sprint(f.pending[i].Record[f.s.key[j]]))
		}
		query := "select * from " + f.s.from + " where " + strings.Join(values, " and ")
		err := f.s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			res := conn.PgConn().ExecParams(ctx, query, args, nil, nil, nil).Read()
			if res.Err != nil {
				return res.Err
			}
			if len(res.Rows) == 0 {
				key := driver.Record{}
				for _, name := range f.s.key {
					key[name] = f.pending[i].Record[name]
				}
				f.pending[i] = driver.Change{Record: key, Gone: true}
				return nil
			}
			record, bad := rowReader{res.FieldDescriptions}.record(res.Rows[0])
			if bad != nil {
				return fmt.Errorf("%w: column %s: %s", errAnswer, bad.Field, bad.Reason)
			}
			f.pending[i].Record = record
			return nil
		})
		if err != nil {
			return err
		}
	}
	f.partial = nil
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

func position(lsn string) driver.Position {
	raw, err := json.Marshal(lsn)
	if err != nil {
		panic("postgres: a position is not JSON: " + err.Error())
	}
	return raw
}

func lsnOf(p driver.Position) (uint64, error) {
	var text string
	if err := json.Unmarshal(p, &text); err != nil {
		return 0, fmt.Errorf("%w: %s is no position of a log", errAnswer, p)
	}
	return parseLSN(text)
}

func parseLSN(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	high, low, ok := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !ok || err != nil || err2 != nil {
		return 0, fmt.Errorf("%w: %s is no position of a log", errAnswer, text)
	}
	return h<<32 | l, nil
}

func lsnText(n uint64) string { return fmt.Sprintf("%X/%X", n>>32, n&0xffffffff) }
