package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/segue-run/segue/journal"
)

var _ journal.Store = (*Store)(nil)

// A Store is one process's handle on a Disk.
type Store struct {
	disk   *Disk
	once   sync.Once
	closed chan struct{}
}

// Close ends the handle: every later call on it fails, and every Follow.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// do runs fn alone on the disk.
func (s *Store) do(ctx context.Context, what, id string, fn func(*Disk) error) error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	err := ctx.Err()
	select {
	case <-s.closed:
		err = journal.ErrClosed
	default:
	}
	if err == nil {
		err = fn(s.disk)
	}
	if err != nil {
		return fmt.Errorf("%s run %s: %w", what, id, err)
	}
	return nil
}
