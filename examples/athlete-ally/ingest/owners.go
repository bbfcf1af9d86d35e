package ingest

import (
	"maps"
	"sync"
)

// owners remembers which stream acknowledged the latest message of each
// subject. Before the first there is none: what a stream is configured to take
// is not asked, but what it took.
type owners struct {
	mu     sync.Mutex
	stream map[string]string
}

func newOwners() *owners { return &owners{stream: map[string]string{}} }

func (o *owners) acknowledged(subject, stream string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stream[subject] = stream
}

func (o *owners) bySubject() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.stream)
}
