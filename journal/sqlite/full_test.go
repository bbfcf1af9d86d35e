package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

// The conformance suite lets SQLite believe that the disk is full. Here it is:
// a small file system of its own, which takes root to mount.
func TestAnAppendToAFullFileSystemStoresNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=512k,mode=0700"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	dir := filepath.Join(disk, "state")
	s := mustOpen(t, dir)
	defer s.Close()
	mustCreate(t, s, "r", 0)
	l, err := s.Acquire(t.Context(), "r", "a", noon, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}

	last := fill(t, s, l, 0)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if more := fill(t, s, l, last); more <= last {
		t.Errorf("nothing was appended when there was room again")
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// fill appends until the disk is full, and finds exactly what was promised.
func fill(t *testing.T, s *Store, l journal.Lease, last int64) int64 {
	t.Helper()
	for {
		next, err := s.Append(t.Context(), l, noon, last, some(7))
		if errors.Is(err, journal.ErrFull) {
			break
		}
		if err != nil {
			t.Fatalf("append after %d: %v, want ErrFull in the end", last, err)
		}
		last = next
	}
	records, err := s.Read(t.Context(), "r", 0, 0)
	if err != nil || int64(len(records)) != last {
		t.Fatalf("%d records are there, %v; %d were promised", len(records), err, last)
	}
	return last
}
