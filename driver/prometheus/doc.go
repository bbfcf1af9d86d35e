// Package prometheus asks Prometheus servers and metrics pages for numbers.
//
// Its checks are measurements, three-valued: no data, NaN, old data, several
// series where nobody said how to take them, or a source that does not answer
// are unknown, never pass and never fail.
package prometheus

import (
	"context"

	"github.com/segue-run/segue/driver"
)

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{
		driver.Connects(driver.About{Name: kind, Doc: "A Prometheus server, or what speaks its HTTP API."},
			func(_ context.Context, p connParams) (*Server, error) { return open(p) }),
		baselineAction(),
		promqlCheck(),
		nearCheck(),
		metricsCheck(),
		ratioCheck(),
		compareCheck(),
		quantileCheck(),
	}
}

const kind = "prometheus"
