package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/journaltest"
)

func TestMain(m *testing.M) {
	journaltest.Main(m, openStore)
}

func TestStore(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Place {
		dir := filepath.Join(t.TempDir(), "state of # %41?")
		return journaltest.Place{
			Location: dir,
			Open:     func() (journal.Store, error) { return openStore(dir) },
			Full:     noMorePages,
			Damages:  damages(filepath.Join(dir, File)),
		}
	})
}

// openStore keeps a nil *Store from becoming a journal.Store that is not nil.
func openStore(dir string) (journal.Store, error) {
	s, err := Open(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// noMorePages makes SQLite treat the disk as full at the file's present size.
func noMorePages(t *testing.T, s journal.Store) func() {
	t.Helper()
	limit := func(pages int) {
		if _, err := s.(*Store).w.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // never less than there are
	return func() { limit(1 << 30) }
}

// damages are to a file without a log, as all handles are closed.
func damages(path string) []journaltest.Damage {
	change := func(name string, fn func([]byte) []byte) journaltest.Damage {
		return journaltest.Damage{Name: name, Do: func(t *testing.T) {
			t.Helper()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, fn(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}}
	}
	flip := func(text string) func([]byte) []byte {
		return func(data []byte) []byte {
			i := bytes.LastIndex(data, []byte(text))
			data[i+len(text)-1] ^= 1
			return data
		}
	}
	page := func(n int) func([]byte) []byte {
		return func(data []byte) []byte {
			for i := n * 4096; i < (n+1)*4096; i++ {
				data[i] = 0xa5
			}
			return data
		}
	}
	return []journaltest.Damage{
		change("an empty file", func([]byte) []byte { return nil }),
		change("a file of something else", func([]byte) []byte { return bytes.Repeat([]byte("no journal\n"), 1000) }),
		change("a file that ends early", func(b []byte) []byte { return b[:len(b)/2] }),
		change("a file that lost its last bytes", func(b []byte) []byte { return b[:len(b)-100] }),
		change("a file that lost all but its first page", func(b []byte) []byte { return b[:4096] }),
		change("a flipped bit in an event", flip(`{"n":250`)),
		change("a flipped bit in a type", flip(`step.intende`)),
		change("a first page of noise", page(0)),
		change("a page of noise in the middle", page(12)),
		change("a page of zeros in the middle", func(b []byte) []byte { clear(b[14*4096 : 15*4096]); return b }),
	}
}
