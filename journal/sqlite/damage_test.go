package sqlite

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/segue-run/segue/journal"
)

// Whatever happens to the file: reading gives what was written or says that it
// is damaged, and what Salvage gives is the beginning of what was written.
func TestNoDamageGoesUnnoticed(t *testing.T) {
	sound, err := os.ReadFile(spoiled(t, func(b []byte) []byte { return b }))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string][]journal.Record{"r1": some(5), "r2": some(300)}
	for _, records := range written {
		for i := range records {
			records[i].Seq = int64(i) + 1
		}
	}
	noticed := 0
	for seed := range uint64(50) {
		path := filepath.Join(t.TempDir(), File)
		if err := os.WriteFile(path, atRandom(rand.New(rand.NewPCG(seed, 1)), sound), 0o600); err != nil { //nolint:gosec // not for secrets
			t.Fatal(err)
		}
		runs, err := Salvage(t.Context(), path)
		if err != nil {
			t.Fatalf("seed %d: salvage: %v", seed, err)
		}
		for _, r := range runs {
			if !same(r.Records, written[r.Run][:len(r.Records)]) {
				t.Fatalf("seed %d: salvaged of run %s what was not written", seed, r.Run)
			}
		}
		for id, want := range written {
			got, err := readDamaged(t, path, id)
			var corrupt *journal.CorruptError
			switch {
			case errors.As(err, &corrupt):
				noticed++
			case err != nil:
				t.Errorf("seed %d: read run %s: %v, want a CorruptError", seed, id, err)
			case !same(got, want):
				t.Errorf("seed %d: read of run %s what was not written", seed, id)
			}
		}
	}
	if noticed < 25 {
		t.Errorf("the damage is too mild: noticed %d times", noticed)
	}
}

// same is cmp.Equal, but for a hundred thousand records in a test.
func same(got, want []journal.Record) bool {
	return slices.EqualFunc(got, want, func(a, b journal.Record) bool {
		return a.Seq == b.Seq && a.At.Equal(b.At) && a.Epoch == b.Epoch && a.Type == b.Type &&
			a.Version == b.Version && string(a.Data) == string(b.Data)
	})
}

func readDamaged(t *testing.T, path, run string) ([]journal.Record, error) {
	t.Helper()
	r, err := OpenReadOnly(t.Context(), filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Read(t.Context(), run, 0, 0)
}

// atRandom does one to three things to a copy of data.
func atRandom(rnd *rand.Rand, data []byte) []byte {
	data = append([]byte(nil), data...)
	for range 1 + rnd.IntN(3) {
		at := rnd.IntN(len(data))
		n := min(1+rnd.IntN(5000), len(data)-at)
		switch rnd.IntN(5) {
		case 0:
			data[at] ^= 1 << rnd.IntN(8)
		case 1:
			clear(data[at : at+n])
		case 2:
			for i := range n {
				data[at+i] = byte(rnd.Uint32())
			}
		case 3:
			copy(data[at:at+n], data[rnd.IntN(len(data)-n+1):])
		case 4:
			data = data[:max(at, 1)]
		}
	}
	return data
}
