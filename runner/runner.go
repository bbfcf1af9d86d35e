package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/secret"
)

// Drivers makes what a runbook names. *driver.Catalog does.
type Drivers interface {
	runbook.Catalog
	Open(ctx context.Context, u runbook.Use, env driver.Env) (driver.Conn, error)
	Action(ctx context.Context, conns driver.Conns, u runbook.Use, env driver.Env) (driver.Action, error)
	Check(ctx context.Context, conns driver.Conns, u runbook.Use, env driver.Env) (driver.Check, error)
}

// Vault keeps sealed faces and the keys of digests. *sealed.Dir does.
type Vault interface {
	DigestKey(run string) ([]byte, error)
	Put(run, name string, plaintext []byte) error
	Get(run, name string) ([]byte, error)
	Destroy(run string) error
}

// A Runner carries out runs. Store, Drivers and Vault must be set; the rest
// has defaults at its zero value.
type Runner struct {
	Store   journal.Store
	Drivers Drivers
	Vault   Vault
	Secrets *secret.Redactor
	Log     *slog.Logger
	Version string

	// Holder says who we are to others that want the lease; it must differ
	// between processes. Dead, if set, reports whether a holder can no longer
	// be alive: its lease need not be waited for.
	Holder string
	Dead   func(holder string) bool
	// TTL is the lease's time, 15 s at zero.
	TTL time.Duration
	// Wait makes Run wait for a lease that another process holds.
	Wait bool
	// LeaveWhenWaiting ends Run when only a person can move the run on.
	LeaveWhenWaiting bool

	// Boundary, if set, is called at every point at which a crash must be
	// survived, with its name; for tests that crash there.
	Boundary func(point string)
}

const (
	defaultTTL = 15 * time.Second
	// grace is how long a cancelled effect may take to end before it is
	// called indeterminate.
	grace = 800 * time.Millisecond
)

func (r *Runner) ttl() time.Duration {
	if r.TTL > 0 {
		return r.TTL
	}
	return defaultTTL
}

func (r *Runner) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (r *Runner) at(point string) {
	if r.Boundary != nil {
		r.Boundary(point)
	}
}

// Start makes a run of a runbook and returns its ID. Nothing is touched.
func (r *Runner) Start(ctx context.Context, rb *runbook.Runbook, actor string) (string, error) {
	now := time.Now()
	id := ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
	first, err := r.record(engine.Created{
		Name: rb.Name, File: rb.File, Digest: rb.Digest(), Text: string(rb.Text),
		Settings: rb.Settings(), Actor: actor, Segue: r.Version,
	}, now)
	if err != nil {
		return "", err
	}
	if err := r.Store.Create(ctx, id, rb.Name, now, []journal.Record{first}); err != nil {
		return "", fmt.Errorf("create run of %s: %w", rb.Name, err)
	}
	return id, nil
}

// ErrNotFinal: Run came back although the run is not over, as only a person
// can move it on, or as its context ended.
var ErrNotFinal = errors.New("the run is not over")

// Run carries a run out until it is final, its context ends, or the lease is
// lost. It may be called for a run that another process began, at any point.
// The state it returns is the run's, also beside an error.
func (r *Runner) Run(ctx context.Context, id, actor string) (*engine.State, *runbook.Runbook, error) {
	l, err := r.open(ctx, id, actor)
	if errors.Is(err, journal.ErrFinal) {
		h, err := Load(ctx, r.Store, r.Drivers, id)
		if err != nil {
			return nil, nil, err
		}
		// The process that ended it may have died before this.
		return h.State, h.Runbook, r.Vault.Destroy(id)
	}
	if err != nil {
		return nil, nil, r.redact(err)
	}
	defer l.close()
	err = l.run(ctx)
	return l.state, l.rb, r.redact(err)
}

func (r *Runner) redact(err error) error {
	if err == nil || r.Secrets == nil {
		return err
	}
	return r.Secrets.Error(err)
}
