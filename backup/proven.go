package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type provenParams struct {
	where
	Of      []driver.Via[driver.Dumper] `param:"of,required" doc:"The connections whose parts are restored."`
	Timeout time.Duration               `param:"timeout" doc:"How long restoring may take." default:"30m"`
}

// Takes is how long one look may take.
func (p provenParams) Takes() time.Duration { return or(p.Timeout, 30*time.Minute) }

// Validate implements what types cannot say.
func (p provenParams) Validate() error {
	if len(p.Of) == 0 || p.Timeout < 0 {
		return &runbook.FieldError{Field: "of", Problem: "nothing would be restored", Remedy: "name connections, as in of: [db, cache]"}
	}
	if err := uniqueNames(p.Of); err != nil {
		return err
	}
	return p.where.Validate()
}

// proven restores the newest good bundle, each one once.
type proven struct {
	shelf *shelf
	of    []driver.Via[driver.Dumper]

	mu   sync.Mutex
	last string // the bundle's signature
	said evidence.Reading
}

func provenCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "backup.proven",
		Doc:  "The newest good bundle can be restored: each part is, in an instance of its own that is thrown away, and holds what was dumped. A bundle is restored once, and again when there is a newer one; that it was is noted beside it, for backup.age and for keep, unless the key only checks. Fails when there is none.",
	}, func(_ context.Context, _ driver.Conn, p provenParams) (driver.Check, error) {
		s, err := p.shelf()
		if err != nil {
			return nil, err
		}
		return &proven{shelf: s, of: p.Of}, nil
	})
}

// Read implements driver.Check.
func (p *proven) Read(ctx context.Context) evidence.Reading {
	p.mu.Lock()
	defer p.mu.Unlock()
	const bound = "restored, and as it was dumped"
	r := p.read(ctx)
	r.Bound, r.Source = bound, "directory "+p.shelf.dir
	return r
}

func (p *proven) read(ctx context.Context) evidence.Reading {
	found, bad, err := p.shelf.newest(ctx, nil)
	switch {
	case err != nil:
		return evidence.Unsure(err.Error())
	case found == nil:
		return evidence.Failed("none", "", "there is no good bundle"+because(bad))
	case found.Signature == p.last:
		return p.said
	}
	r := p.prove(ctx, found)
	if r.Verdict != evidence.Unknown {
		p.last, p.said = found.Signature, r
	}
	return r
}

// prove restores each part. What could not be told for want of time is unknown.
func (p *proven) prove(ctx context.Context, b *bundle) evidence.Reading {
	var held, parts []string
	var total int64
	for _, via := range p.of {
		d, ok := b.Parts[via.String()]
		if !ok {
			return evidence.Failed(b.base(), "", fmt.Sprintf("bundle %s has nothing of %s", b.base(), via))
		}
		conn, err := via.Open(ctx)
		if err != nil {
			return evidence.Unsure(err.Error())
		}
		began := time.Now()
		if err := conn.Prove(ctx, filepath.Join(b.dir, via.String()), d); err != nil {
			if ctx.Err() != nil || errors.Is(err, driver.ErrNoInstance) {
				return evidence.Unsure(fmt.Sprintf("bundle %s: %s: %v", b.base(), via, err))
			}
			return evidence.Failed(b.base(), "", fmt.Sprintf("bundle %s: %s: %v", b.base(), via, err))
		}
		n := d.Total()
		parts = append(parts, via.String())
		total += n
		held = append(held, fmt.Sprintf("%s (%d in %s)", via, n, time.Since(began).Round(time.Millisecond)))
	}
	if err := p.shelf.proved(b, parts); err != nil {
		return evidence.Unsure(fmt.Sprintf("bundle %s was restored, and that cannot be noted: %v", b.base(), err))
	}
	r := evidence.Passed(b.base()+": "+strings.Join(held, ", "), "")
	r.Samples = total
	return r
}

func (b *bundle) base() string { return filepath.Base(b.dir) }
