// Package journal is the store of a run's events: the only truth about it.
//
// A run has at most one writer, the holder of its lease; each append carries
// the run's last sequence and the lease's epoch, so a writer that was away too
// long is refused. Everybody else talks to a run through its inbox, which needs
// no lease. Readings lie in a table beside the log that may be pruned.
//
// Any Store must pass the conformance suite in journaltest.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Errors that a Store returns, wrapped with what was being done.
var (
	// ErrNotFound: no such run.
	ErrNotFound = errors.New("no such run")
	// ErrExists: a run with this ID was created before.
	ErrExists = errors.New("the run exists")
	// ErrSequence: somebody appended since; read on and decide again.
	ErrSequence = errors.New("the journal has gone on")
	// ErrLeaseLost: the epoch is not the current one, or its time is over.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrFull: the disk is full; nothing of the call was stored.
	ErrFull = errors.New("the disk is full")
	// ErrBusy: another process is in the middle of writing for longer than is
	// usual (it may be stopped). Nothing was stored; try again.
	ErrBusy = errors.New("another process is writing")
	// ErrFinal: the run is over. Nothing can be appended, sent or claimed.
	ErrFinal = errors.New("the run is final")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrNewer: the store was written by a newer Segue in a way this one
	// does not understand.
	ErrNewer = errors.New("written by a newer version of segue")
)

// HeldError: another process holds the lease.
type HeldError struct {
	Holder  string // host, pid and since when, for people
	Epoch   int64  // of its lease
	Expires time.Time
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("the run is being carried out by %s (lease until %s)", e.Holder, e.Expires.Format(time.TimeOnly))
}

// ClaimedError: another run claims a resource.
type ClaimedError struct {
	Resource string // canonical identity
	Run      string // the run that holds it
	Name     string // of its runbook, where whoever passes the error on knows it
}

func (e *ClaimedError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s is claimed by run %s", e.Resource, e.Run)
	}
	return fmt.Sprintf("%s is claimed by run %s of %s", e.Resource, e.Run, e.Name)
}

// CorruptError: the store cannot be trusted. Saved says what can still be
// read and how to get it.
type CorruptError struct {
	Path, Problem, Saved string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal %s is damaged: %s; %s", e.Path, e.Problem, e.Saved)
}

// A Record is one event as stored. Data is versioned JSON that the journal
// does not look into. At is the caller's; when it is zero the store takes the
// time of the call. Stored times come back in UTC.
type Record struct {
	Seq     int64           `json:"seq"` // from 1, without gaps
	At      time.Time       `json:"at"`
	Epoch   int64           `json:"epoch"`
	Type    string          `json:"type"`
	Version int             `json:"v"`
	Data    json.RawMessage `json:"data"`
}

// A Message is a signal in a run's inbox. Key makes it idempotent: a second
// message with the same key is the first one again.
type Message struct {
	ID   int64           `json:"id"` // order of arrival, from 1
	Key  string          `json:"key"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"`
}

// A Lease is the right to write a run's journal until Expires. Epochs grow
// with each new holder and are never used twice.
type Lease struct {
	Run     string
	Holder  string
	Epoch   int64
	Expires time.Time
}

// A Summary is a run in a list.
type Summary struct {
	Run     string    `json:"run"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	LastSeq int64     `json:"last_seq"`
	Last    time.Time `json:"last"`
	Final   bool      `json:"final"`
	// Holder is who holds the lease; "" when nobody does or it has expired.
	Holder string `json:"holder,omitempty"`
}

// A Reading is one stored answer of a check.
type Reading struct {
	Run   string          `json:"run"`
	Check string          `json:"check"`
	At    time.Time       `json:"at"`
	Data  json.RawMessage `json:"data"`
}

// A Delivery is what became of bringing one notice of a run to one receiver,
// so far.
type Delivery struct {
	Run   string `json:"run"`
	Key   string `json:"key"` // of the notice and the receiver
	To    string `json:"to"`  // the receiver, for people
	What  string `json:"what"`
	Tries int    `json:"tries"`
	// At is when it was last tried, and Next when it is tried again; zero: it is
	// not, as it was delivered or given up.
	At        time.Time `json:"at"`
	Next      time.Time `json:"next,omitzero"`
	Delivered bool      `json:"delivered"`
	Error     string    `json:"error,omitempty"` // of the last try that failed
	// Thread is what the receiver gave to keep notices together by.
	Thread string `json:"thread,omitempty"`
}

// A Reader is what can be asked of a journal without ever being in a writer's
// way. All methods may be used by several goroutines and, on the same files,
// by several processes.
type Reader interface {
	// Runs lists all runs, newest first.
	Runs(ctx context.Context, now time.Time) ([]Summary, error)
	// Read returns up to limit records after seq; limit 0 means all.
	Read(ctx context.Context, run string, after int64, limit int) ([]Record, error)
	// Follow calls fn with each record after seq, as they come, also from
	// other processes, until ctx ends or fn fails. It returns ctx's error or
	// fn's, as it is.
	Follow(ctx context.Context, run string, after int64, fn func(Record) error) error
	// Inbox returns the messages after ID, in order of arrival.
	Inbox(ctx context.Context, run string, after int64) ([]Message, error)
	// Claims lists a run's claims in order; none for a run that has none.
	Claims(ctx context.Context, run string) ([]string, error)
	// Readings returns those of a check ("" for all) since a time, oldest first.
	Readings(ctx context.Context, run, check string, since time.Time) ([]Reading, error)
	// Deliveries returns those of a run, in the order in which they were first
	// kept.
	Deliveries(ctx context.Context, run string) ([]Delivery, error)

	Close() error
}

// Store keeps runs. Times come from the caller, so that tests own the clock;
// lease expiry is judged by the now of the call: a lease is good before
// Expires and over at it.
//
// Any method that writes may fail with ErrFull or ErrBusy. After these, the
// other errors named here and the context's, nothing of the call was stored.
// After any other (the disk could not be written) that is open: do not write
// on, but acquire the lease anew and read.
type Store interface {
	Reader

	// Create makes a run with its first records, atomically (Seq, Epoch are
	// set by the store: 1…n, epoch 0). ErrExists if the ID is taken.
	Create(ctx context.Context, run, name string, at time.Time, first []Record) error

	// Acquire takes the lease for ttl; a holder has a name. *HeldError while another holds it.
	// The same holder asking again gets a new epoch: a process that crashed
	// and came back is not its former self. ErrFinal when the run is over.
	Acquire(ctx context.Context, run, holder string, now time.Time, ttl time.Duration) (Lease, error)
	// Renew extends the lease. ErrLeaseLost if the epoch is not current or
	// the lease has expired, even if nobody took it.
	Renew(ctx context.Context, l Lease, now time.Time, ttl time.Duration) (Lease, error)
	// Release gives the lease up. Releasing a lost lease does nothing.
	Release(ctx context.Context, l Lease) error

	// Append stores records after lastSeq, all or none, durably before it
	// returns, and returns the new last sequence. ErrLeaseLost (checked
	// against now, and first), ErrFinal, ErrSequence.
	Append(ctx context.Context, l Lease, now time.Time, lastSeq int64, records []Record) (int64, error)
	// Finish marks the run final: its claims are dropped. It checks the lease
	// like Append. Finishing again is fine.
	Finish(ctx context.Context, l Lease, now time.Time) error

	// Send puts a message into a run's inbox; no lease is needed. A key seen
	// before returns the first message's ID and stores nothing, also when the
	// run is final; a new key is then refused with ErrFinal.
	Send(ctx context.Context, run, key string, at time.Time, data json.RawMessage) (int64, error)

	// Claim claims resources for a run, all or none; *ClaimedError names who
	// has one, or one that contains it or lies in it (see Contains). Claiming
	// again what the run has is fine. The run need not exist yet, but a final
	// one claims nothing: ErrFinal.
	Claim(ctx context.Context, run string, resources []string) error
	// Unclaim drops all claims of a run.
	Unclaim(ctx context.Context, run string) error

	// Deliver keeps what became of a delivery, in the place of what was known of
	// the same key. It needs no lease, and a run that is final may have more.
	// ErrNotFound when there is no such run.
	Deliver(ctx context.Context, d Delivery) error

	// Observe stores readings. They may be lost in a crash; transitions that
	// matter are in the log.
	Observe(ctx context.Context, readings []Reading) error
	// Prune drops readings older than before and returns how many.
	Prune(ctx context.Context, run string, before time.Time) (int64, error)
}
