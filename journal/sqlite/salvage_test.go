package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/journal"
)

func TestSalvageReadsWholeRunsAndWhatComesBeforeTheDamage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func([]byte) []byte
		// how many records of each run, 5 of them and 300, are had
		small, large int
		lost         string // in what it says of the large one
	}{
		{"a sound file", func(b []byte) []byte { return b }, 5, 300, ""},
		{"a flipped bit", func(b []byte) []byte { return flip(b, `"samples":199`) }, 5, 199, "records 200 to 300: record 200 does not match its checksum"},
		{"a changed name of a run", func(b []byte) []byte { return flip(b, "name of r2") }, 5, 300, ""},
		{"a first page of noise", func(b []byte) []byte { return noise(b, 0) }, 5, 300, ""},
		{"noise where the list of runs was", func(b []byte) []byte { return noise(b, 1) }, 5, 300, "whether there were records after 300"},
		{"noise where the root of the records was", func(b []byte) []byte { return noise(b, 3) }, 5, 142, "records 143 to 300: record 143 is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := spoiled(t, tt.damage)
			runs, err := Salvage(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if len(runs) != 2 {
				t.Fatalf("%d runs, want 2", len(runs))
			}
			got := map[string]int{runs[0].Run: len(runs[0].Records), runs[1].Run: len(runs[1].Records)}
			if diff := cmp.Diff(map[string]int{"r1": tt.small, "r2": tt.large}, got); diff != "" {
				t.Error(diff)
			}
			if lost := runs[1].Lost; lost != tt.lost {
				t.Errorf("it says of what is lost: %q, want %q", lost, tt.lost)
			}
		})
	}
}

func TestSalvageOfAShortenedFileGivesAGapFreeBeginning(t *testing.T) {
	for _, share := range []float64{0.2, 0.5, 0.8, 0.95} {
		path := spoiled(t, func(b []byte) []byte { return b[:int(float64(len(b))*share)] })
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := Salvage(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			for i, rec := range r.Records {
				if rec.Seq != int64(i)+1 || string(rec.Data) != string(some(i + 1)[i].Data) {
					t.Fatalf("record %d is %d %s", i+1, rec.Seq, rec.Data)
				}
			}
			t.Logf("%.0f%% of the file: %d records of run %s; lost: %s", share*100, len(r.Records), r.Run, r.Lost)
		}
		if share >= 0.5 && len(runs) == 0 {
			t.Errorf("nothing is saved from %.0f%% of the file", share*100)
		}
		after, err := os.ReadFile(path)
		if err != nil || string(before) != string(after) {
			t.Errorf("the damaged file was touched (%v)", err)
		}
	}
}

func TestSalvageReadsTheLogToo(t *testing.T) {
	dir := t.TempDir()
	mustCreate(t, mustOpen(t, dir), "r", 7)
	runs, err := Salvage(t.Context(), filepath.Join(copyOf(t, dir), File))
	if err != nil || len(runs) != 1 || len(runs[0].Records) != 7 || runs[0].Name != "name of r" || runs[0].Lost != "" {
		t.Errorf("got %+v, %v", runs, err)
	}
}

func TestSalvageOfNoJournalFindsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	if _, err := Salvage(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("noise ", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if runs, err := Salvage(t.Context(), path); err != nil || len(runs) > 0 {
		t.Errorf("noise: got %v, %v", runs, err)
	}
}

func TestVerifyFindsDamageAnywhereInARun(t *testing.T) {
	sound := spoiled(t, func(b []byte) []byte { return b })
	if err := mustOpen(t, filepath.Dir(sound)).Verify(t.Context()); err != nil {
		t.Error(err)
	}
	damaged := spoiled(t, func(b []byte) []byte { return flip(b, `"samples":42`) })
	var corrupt *journal.CorruptError
	if err := mustOpen(t, filepath.Dir(damaged)).Verify(t.Context()); !errors.As(err, &corrupt) {
		t.Errorf("got %v, want a CorruptError", err)
	}
}

// spoiled is the path of a journal of the runs r1 and r2 after damage.
func spoiled(t *testing.T, damage func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "r1", 5)
	mustCreate(t, s, "r2", 300)
	s.Close()
	path := filepath.Join(dir, File)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, damage(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// flip changes the last bit of the last place where text is.
func flip(data []byte, text string) []byte {
	i := strings.LastIndex(string(data), text)
	data[i+len(text)-1] ^= 1
	return data
}

// noise overwrites a page; the first has number 0.
func noise(data []byte, page int) []byte {
	for i := page * defaultPageSize; i < (page+1)*defaultPageSize; i++ {
		data[i] = byte(i*i>>3) | 0x80
	}
	return data
}
