package driver

import "context"

// A LogKeeper is a connection to workloads whose logs are kept.
type LogKeeper interface {
	Conn
	// Follow begins to read their logs.
	Follow() LogReader
}

// A LogReader reads the logs of workloads. It is not safe for concurrent use.
type LogReader interface {
	// Next is what was written since the call before, of each workload in its
	// order; at first, all that is kept.
	Next(ctx context.Context) ([]LogLine, error)
}

// A LogLine is a line that a workload has written.
type LogLine struct {
	Workload string
	Text     string
	// Gap: more was written before it than could be read.
	Gap bool
}
