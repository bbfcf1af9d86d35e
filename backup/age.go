package backup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type ageParams struct {
	where
	NewerThan time.Duration `param:"newer-than" doc:"The bound of the newest good bundle's age." default:"6h"`
	Timeout   time.Duration `param:"timeout" doc:"How long it may take to sum the files up." default:"5m"`
}

// Takes is how long one look may take.
func (p ageParams) Takes() time.Duration { return or(p.Timeout, 5*time.Minute) }

// Validate implements what types cannot say.
func (p ageParams) Validate() error {
	if p.NewerThan < 0 || p.Timeout < 0 {
		return &runbook.FieldError{Field: "newer-than", Problem: "a time is negative", Remedy: "write 6h"}
	}
	return p.where.Validate()
}

func or[T int | time.Duration](given, usual T) T {
	if given == 0 {
		return usual
	}
	return given
}

// age measures how old the newest good bundle is.
type age struct {
	shelf *shelf
	bound time.Duration
}

func ageCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "backup.age",
		Doc:  "The newest good bundle is younger than a bound: signed, and with all files as they were written. Fails when there is none.",
	}, func(_ context.Context, _ driver.Conn, p ageParams) (driver.Check, error) {
		s, err := p.shelf()
		if err != nil {
			return nil, err
		}
		return &age{s, or(p.NewerThan, 6*time.Hour)}, nil
	})
}

// Read implements driver.Check.
func (a *age) Read(ctx context.Context) evidence.Reading {
	bound := "newer than " + a.bound.String()
	found, bad, err := a.shelf.newest(ctx, nil)
	var r evidence.Reading
	switch {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case found == nil:
		r = evidence.Failed("none", bound, "there is no good bundle"+because(bad))
	default:
		old := time.Since(found.Taken).Round(time.Second)
		value := fmt.Sprintf("%s old (%s)", old, found.base())
		switch {
		case old < -time.Minute:
			r = evidence.Unsure("the newest bundle is of " + (-old).String() + " from now: a clock is wrong")
		case old >= a.bound:
			r = evidence.Failed(value, bound, "the newest good bundle is "+value+because(bad))
		default:
			r = evidence.Passed(value, bound)
		}
	}
	r.Bound, r.Source = bound, "directory "+a.shelf.dir
	return r
}

// because lists what is wrong with bundles that are newer.
func because(bad []string) string {
	if len(bad) == 0 {
		return ""
	}
	return "; not good are " + strings.Join(bad, "; ")
}
