package host

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type diskParams struct {
	Path  string           `param:"path,required" doc:"A file or directory on the file system that is meant. It must be there."`
	Above *runbook.Bytes   `param:"free-above" doc:"What those who are not root can still write must be above this."`
	Below *runbook.Percent `param:"used-below" doc:"The share that is used, as df tells it, must be below this."`
}

func (p diskParams) room() room { return room{p.Above, p.Below} }

// Validate implements what types cannot say.
func (p diskParams) Validate() error {
	if p.Path == "" {
		return &runbook.FieldError{Field: "path", Problem: "it is empty", Remedy: "write a directory on the file system, as in /var/lib/nats"}
	}
	return p.room().validate("free-above")
}

// space is a file system's, in bytes.
type space struct{ total, used, free uint64 }

type disk struct{ p diskParams }

func diskCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "host.disk",
		Doc:  "There is room on a file system of this machine. Unknown when it cannot be looked at.",
	}, func(_ context.Context, _ driver.Conn, p diskParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("host.disk: %w", err)
		}
		return &disk{p}, nil
	})
}

// Read implements driver.Check.
func (d *disk) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if s, err := d.look(ctx); err != nil {
		r = evidence.Unsure(err.Error())
	} else {
		used := share(s.used, s.used+s.free)
		r = d.p.room().judge(s.free, used, fmt.Sprintf("%s free of %s, %s used", bytes(s.free), bytes(s.total), percent(used)))
	}
	r.Bound, r.Source, r.Query = d.p.room().String("free"), source(), "file system of "+d.p.Path
	return r
}

// patience is how long a file system may take: one of a dead server never
// answers, and cannot be called off either.
const patience = 5 * time.Second

func (d *disk) look(ctx context.Context) (space, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type answer struct {
		s   space
		err error
	}
	got := make(chan answer, 1)
	go func() {
		s, err := spaceOf(d.p.Path)
		got <- answer{s, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return space{}, fmt.Errorf("file system of %s: %w", d.p.Path, a.err)
		}
		if a.s.total == 0 {
			return space{}, fmt.Errorf("file system of %s: it has no size, as /proc has none", d.p.Path)
		}
		return a.s, nil
	case <-ctx.Done():
		return space{}, fmt.Errorf("file system of %s does not answer: %w", d.p.Path, ctx.Err())
	}
}
