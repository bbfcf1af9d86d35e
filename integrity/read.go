package integrity

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver"
)

// records hands over the records of a place as they are to be compared. A bad one
// is handed over as its reason.
func (p place) records(ctx context.Context, take func(driver.Record, *driver.BadRecord) error) error {
	source, err := p.open(ctx, p.at)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	return source.Read(ctx, nil, 0, func(page driver.Page) error {
		for _, bad := range page.Bad {
			if err := take(nil, &bad); err != nil {
				return err
			}
		}
		for _, r := range page.Records {
			var bad *driver.BadRecord
			if p.made != nil {
				r, bad = p.made.Apply(r)
			}
			if err := take(r, bad); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// tally counts the records of a place by reading them all. Those that cannot be
// read are a group of their own.
func (p place) tally(ctx context.Context, by []string) ([]driver.Group, error) {
	found := map[string]int{}
	var out []driver.Group
	if len(by) == 0 {
		out = []driver.Group{{}}
		found[groupID(nil)] = 0
	}
	err := p.records(ctx, func(r driver.Record, bad *driver.BadRecord) error {
		var values []*string
		for _, name := range by {
			value := whyBad(bad)
			if bad == nil {
				value = shown(r[name])
			}
			values = append(values, value)
		}
		id := groupID(values)
		at, ok := found[id]
		if !ok {
			at = len(out)
			found[id], out = at, append(out, driver.Group{By: values})
		}
		out[at].Records++
		if len(out) > mostGroups {
			return refuse(fmt.Sprintf("there are more than %d groups", mostGroups), "count by fields of few values")
		}
		return nil
	})
	return out, err
}

// mostGroups bounds what a count tells.
const mostGroups = 10_000

func whyBad(bad *driver.BadRecord) *string {
	if bad == nil {
		return nil
	}
	text := "(cannot be read: " + bad.Field + " " + bad.Reason + ")"
	return &text
}
