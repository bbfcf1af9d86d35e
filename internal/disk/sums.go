package disk

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// Sums remembers the checksums of files that have not changed since: what is
// kept is looked at often, and a large file takes its time. The zero value is
// empty; a nil one remembers nothing.
type Sums struct {
	mu    sync.Mutex
	known map[string]string
}

// Of is the Sum of an open file.
func (s *Sums) Of(ctx context.Context, f *os.File, info os.FileInfo) (string, error) {
	key := fmt.Sprintf("%s %d %d", f.Name(), info.Size(), info.ModTime().UnixNano())
	if s != nil {
		s.mu.Lock()
		sum, ok := s.known[key]
		s.mu.Unlock()
		if ok {
			return sum, nil
		}
	}
	sum, _, err := Sum(ctx, f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.known == nil {
			s.known = map[string]string{}
		}
		s.known[key] = sum
	}
	return sum, nil
}
