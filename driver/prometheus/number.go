package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/segue-run/segue/driver"
)

// Server is a source of numbers to actions of other systems.
var _ driver.Numbers = (*Server)(nil)

// Number implements driver.Numbers.
func (s *Server) Number(ctx context.Context, query string) (value float64, ok bool, err error) {
	all, err := s.instant(ctx, query, defaultMaxAge)
	switch {
	case err != nil:
		return 0, false, err
	case len(all) == 0:
		return 0, false, nil
	case len(all) > 1:
		return 0, false, fmt.Errorf("%d series answer where one is meant (%s, %s, …): let the query sum them", len(all), name(all[0]), name(all[1]))
	}
	v := all[0].last().value
	if math.IsNaN(v) {
		return 0, false, errors.New("the value is NaN: there was nothing to compute it from")
	}
	return v, true, nil
}
