package backup

import (
	"context"
	"errors"
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
	Proven    bool          `param:"proven" doc:"Only bundles count that backup.proven has restored, all that they have of connections."`
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
	shelf  *shelf
	bound  time.Duration
	proven bool
}

func ageCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "backup.age",
		Doc:  "The newest good bundle is younger than a bound: signed, and with all files as they were written. Fails when there is none, and when one is of a time that is yet to come.",
	}, func(_ context.Context, _ driver.Conn, p ageParams) (driver.Check, error) {
		s, err := p.shelf()
		if err != nil {
			return nil, err
		}
		return &age{s, or(p.NewerThan, 6*time.Hour), p.Proven}, nil
	})
}

// Read implements driver.Check.
func (a *age) Read(ctx context.Context) evidence.Reading {
	bound := "newer than " + a.bound.String()
	found, bad, err := a.newest(ctx)
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
		case old < -tolerance:
			r = evidence.Failed(value, bound, "bundle "+found.base()+" is of "+(-old).String()+" from now: the clock that it was taken by is wrong, or this one, and no age can be told")
		case old >= a.bound:
			r = evidence.Failed(value, bound, "the newest good bundle is "+value+because(bad))
		default:
			r = evidence.Passed(value, bound)
		}
	}
	r.Bound, r.Source = bound, "directory "+a.shelf.dir
	return r
}

// tolerance is how far the clocks of two machines may be apart.
const tolerance = time.Minute

// newest is the newest good bundle that counts. One of a time that is yet to come
// counts: it tells that a clock is wrong.
func (a *age) newest(ctx context.Context) (*bundle, []string, error) {
	var unproved []string
	var failed error
	found, bad, err := a.shelf.newest(ctx, func(b *bundle) bool {
		if !a.proven || time.Since(b.Taken) < -tolerance {
			return true
		}
		lacks, err := a.shelf.unproved(b)
		if lacks != "" {
			unproved = append(unproved, b.base()+": "+lacks)
		}
		failed = errors.Join(failed, err)
		return err == nil && lacks == ""
	})
	return found, append(bad, unproved...), errors.Join(err, failed)
}

// because lists what is wrong with bundles that are newer.
func because(bad []string) string {
	if len(bad) == 0 {
		return ""
	}
	return "; not good are " + strings.Join(bad, "; ")
}
