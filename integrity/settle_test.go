package integrity

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
)

// played is a view that shows, at each look, what the script says of its key.
type played struct {
	driver.View
	script map[string][]string // by key: the value at each look; "" for no record
	looks  int
}

func (p *played) Look(_ context.Context, _ driver.Form, keys [][]string) ([]driver.Seen, error) {
	var out []driver.Seen
	for _, key := range keys {
		values := p.script[key[0]]
		value := values[min(p.looks, len(values)-1)]
		if value != "" {
			out = append(out, driver.Seen{Key: key, Values: []*string{&value}})
		}
	}
	return out, nil
}

func (p *played) Close() error { p.looks++; return nil }

func TestWhatDiffersIsLookedAtAgain(t *testing.T) {
	for name, c := range map[string]struct {
		left, right       []string // of the one record, at each look
		differ            bool
		settled, changing int
		took              time.Duration
	}{
		"it holds still":                 {[]string{"a"}, []string{"b"}, true, 0, 0, 2 * time.Second},
		"it is on its way":               {[]string{"b"}, []string{"a", "b"}, false, 1, 0, 2 * time.Second},
		"it comes late":                  {[]string{"b", "c", "d"}, []string{"a", "b", "c", "d"}, false, 1, 0, 6 * time.Second},
		"it is there later":              {[]string{"a"}, []string{"", "a"}, false, 1, 0, 2 * time.Second},
		"it is gone later":               {[]string{"a", ""}, []string{""}, false, 1, 0, 2 * time.Second},
		"it stays away":                  {[]string{"a"}, []string{""}, true, 0, 0, 2 * time.Second},
		"it changes, and stays behind":   {[]string{"b", "c", "d", "d"}, []string{"a"}, true, 0, 0, 6 * time.Second},
		"it changes at every look":       {numbers(0, 100), numbers(1000, 1100), false, 0, 1, 10 * time.Second},
		"it changes where only one does": {[]string{"a"}, numbers(0, 100), false, 0, 1, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := pair[driver.View]{
					&played{script: map[string][]string{"1": c.left}}, &played{script: map[string][]string{"1": c.right}},
				}
				s := settling{
					open:  func(context.Context) (pair[driver.View], error) { return v, nil },
					form:  driver.Form{Key: []driver.FormField{{Name: "id"}}, Fields: []driver.FormField{{Name: "value"}}},
					every: 2 * time.Second, patience: 10 * time.Second,
				}
				differ := 0
				began := time.Now()
				changing, settled, err := s.run(t.Context(), v, [][]string{{"1"}}, func(look) { differ++ })
				if err != nil {
					t.Fatal(err)
				}
				got := []any{differ > 0, settled, changing, time.Since(began)}
				if d := cmp.Diff([]any{c.differ, c.settled, c.changing, c.took}, got); d != "" {
					t.Errorf("differs, settled, changing, took (-want +got):\n%s", d)
				}
			})
		})
	}
}

func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}
