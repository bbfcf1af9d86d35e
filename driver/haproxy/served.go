package haproxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
)

// Served implements driver.Edge: by the answers that each backend gave. One
// for a WebSocket is counted when it is accepted.
func (c *Conn) Served(ctx context.Context, sides []string) (driver.Served, error) {
	process, err := c.process(ctx)
	if err != nil {
		return driver.Served{}, err
	}
	all, err := c.backends(ctx)
	if err != nil {
		return driver.Served{}, err
	}
	out := driver.Served{Sides: map[string]float64{}, Since: process, Query: "show stat"}
	for _, side := range sides {
		b, ok := all[side]
		if !ok {
			return driver.Served{}, fmt.Errorf("%s has no backend %s: it has %s", c, side, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		out.Sides[side] = b.answered
	}
	return out, nil
}
