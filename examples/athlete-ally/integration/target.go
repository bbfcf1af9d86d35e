package integration

import "time"

// Target is the system that is asked.
type Target struct {
	NATSURL     string   // of the services' account, all nodes
	Monitors    []string // of the nodes
	DatabaseURL string
	IngestURL   string
	OuraSecret  string
	Normalizers []Service
}

// Service is one deployment of normalize, of which there may be several, such as
// a blue and a green one. It need not run.
type Service struct {
	Name      string
	Instances []Instance
}

// Instance is one process of a service.
type Instance struct {
	URL     string
	Metrics string
}

// Options of a run.
type Options struct {
	// Run names the tests to run, or their groups; empty means all.
	Run []string
	// Within is what each test may take.
	Within time.Duration
	// Tell gets each result as soon as it is there, in no order.
	Tell func(Result)
}

const (
	defaultWithin = 20 * time.Second
	// cleanWithin is what taking back may take, also after an interrupt.
	cleanWithin = 10 * time.Second
	atOnce      = 8
	lookEvery   = 20 * time.Millisecond
)
