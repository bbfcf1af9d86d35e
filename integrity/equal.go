package integrity

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type equalParams struct {
	sides
	choice
	Settle   *time.Duration `param:"settle" doc:"What differs is looked at again after this long: longer than one side may be behind the other. 0s: at once, for sides that nobody writes to." default:"2s"`
	Patience time.Duration  `param:"patience" doc:"How long records are looked at again that keep changing; then nobody can say whether they are equal." default:"30s"`
	Limit    int            `param:"limit" doc:"How many records that differ are looked into." default:"10000"`
	Bears    int            `param:"bears" doc:"How many records that cannot be read, or made into what the right side has, are borne." default:"0"`
	Examples int            `param:"examples" doc:"How many of them are shown." default:"10"`
	Timeout  time.Duration  `param:"timeout" doc:"How long one comparison may take." default:"30m"`
}

// Takes is how long one look may take.
func (p equalParams) Takes() time.Duration { return or(p.Timeout, 30*time.Minute) }

// Validate implements what types cannot say.
func (p equalParams) Validate() error {
	for _, f := range []struct {
		field string
		wrong bool
		right string
	}{
		{"settle", p.Settle != nil && *p.Settle < 0, "write 2s"},
		{"patience", p.Patience < 0, "write 30s"},
		{"limit", p.Limit < 0, "write 10000"},
		{"bears", p.Bears < 0, "write how many there may be, as in 25"},
		{"examples", p.Examples < 0, "write 10"},
		{"timeout", p.Timeout < 0, "write 30m"},
	} {
		if f.wrong {
			return &runbook.FieldError{Field: f.field, Problem: "it is negative", Remedy: f.right}
		}
	}
	_, err := p.mapping()
	return err
}

func or[T int | time.Duration](given, usual T) T {
	if given == 0 {
		return usual
	}
	return given
}

// equal compares two places anew at each look.
type equal struct{ p equalParams }

func equalCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "data.equal",
		Doc:  "Two places hold the same records, also while they are written to: what differs is looked at again. Unknown while records keep changing, or when a side does not answer.",
	}, func(_ context.Context, _ driver.Conn, p equalParams) (driver.Check, error) { return newEqual(p) })
}

func newEqual(p equalParams) (*equal, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("data.equal: %w", err)
	}
	return &equal{p}, nil
}

// Read implements driver.Check.
func (e *equal) Read(ctx context.Context) evidence.Reading {
	report, err := e.compare(ctx)
	r := reading(report)
	if err != nil {
		r = evidence.Unsure(err.Error())
	}
	r.Bound, r.Source, r.Query = "equal", e.p.sides.String(), "the records of both sides"
	return r
}

func reading(report *Report) evidence.Reading {
	if report == nil {
		return evidence.Reading{}
	}
	value := fmt.Sprintf("%d and %d records", report.Left, report.Right)
	at := report.AsOf.UTC().Format(time.RFC3339)
	var r evidence.Reading
	switch {
	case report.differences() > 0 || report.More || report.Bad > report.Bears:
		r = evidence.Failed(value, "", "as of "+at+": "+report.String())
	case report.Changing > 0:
		r = evidence.Unsure("as of " + at + ": " + report.String())
		r.Value = value
	default:
		r = evidence.Passed(fmt.Sprintf("%d records equal as of %s", report.Left, at), "")
	}
	r.Samples = max(report.Left, report.Right)
	if raw, err := json.Marshal(report); err == nil {
		r.Raw = raw
	}
	return r
}

func (e *equal) compare(ctx context.Context) (*Report, error) {
	of, err := e.p.open(ctx)
	if err != nil {
		return nil, err
	}
	return comparison{
		of: of, choice: e.p.choice, limit: or(e.p.Limit, 10_000), examples: or(e.p.Examples, 10), bears: e.p.Bears,
		settle: e.settle(), patience: or(e.p.Patience, 30*time.Second),
	}.run(ctx, nil)
}

func (e *equal) settle() time.Duration {
	if e.p.Settle != nil {
		return *e.p.Settle
	}
	return 2 * time.Second
}
