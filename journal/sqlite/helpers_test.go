package sqlite

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func mustOpen(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustCreate(t testing.TB, s *Store, run string, n int) {
	t.Helper()
	if err := s.Create(t.Context(), run, "name of "+run, noon, some(n)); err != nil {
		t.Fatal(err)
	}
}

// some events as a run has them: 250 bytes each.
func some(n int) []journal.Record {
	out := make([]journal.Record, n)
	for i := range out {
		out[i] = journal.Record{
			At: noon.Add(time.Duration(i) * time.Second), Type: "check.read", Version: 1,
			Data: json.RawMessage(fmt.Sprintf(`{"check":"vendor-errors","verdict":"pass","value":0.0%d,"bound":0.1,"samples":%d,"text":%0170q}`, i%10, i, "x")),
		}
	}
	return out
}

// copyOf is the files in dir as they are now, in another directory.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{File, File + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}
