package sqlite

import (
	"os"
	"path/filepath"
	"testing"
)

func TestACopyIsTheJournalAsItIs(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "run", 25) // in the write-ahead log, most of it
	if err := Copy(t.Context(), filepath.Join(dir, File), filepath.Join(to, File)); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, "later", 1)
	r, err := OpenReadOnly(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	runs, err := r.Runs(t.Context(), noon)
	if err != nil || len(runs) != 1 || runs[0].Run != "run" {
		t.Errorf("the copy has runs %v, %v", runs, err)
	}
	if info, err := os.Stat(filepath.Join(to, File)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Copy(t.Context(), filepath.Join(dir, File), filepath.Join(to, File)); err == nil {
		t.Error("a file that is there is written over")
	}
	if err := Copy(t.Context(), filepath.Join(t.TempDir(), File), filepath.Join(to, "none")); err == nil {
		t.Error("no journal was copied")
	}
}
