package journaltest

import (
	"errors"
	"testing"

	"github.com/segue-run/segue/journal"
)

// testDamage spoils a journal of a few hundred records and checks that nobody
// is given records that were not written, and is told what can be saved.
func testDamage(t *testing.T, fresh func(*testing.T) Place) {
	for i, damage := range fresh(t).Damages {
		t.Run(damage.Name, func(t *testing.T) {
			place := fresh(t)
			f := newFixture(t, place)
			f.create(t, "00FIRST", events(1, 3)...)
			f.create(t, run, events(1, 400)...)
			f.append(t, f.acquire(t, "a", start), start, 400, events(401, 500)...)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			place.Damages[i].Do(t)

			err := readAll(t, place)
			var corrupt *journal.CorruptError
			if !errors.As(err, &corrupt) {
				t.Fatalf("got %v, want a CorruptError", err)
			}
			if corrupt.Path == "" || corrupt.Problem == "" || corrupt.Saved == "" {
				t.Fatalf("it does not say what is damaged and what can be saved: %+v", corrupt)
			}
			t.Log(err)
		})
	}
}

// readAll opens a damaged place and reads all it can; what it gets without an
// error must be what was written.
func readAll(t *testing.T, place Place) error {
	t.Helper()
	s, err := place.Open()
	if err != nil {
		return err
	}
	defer s.Close()
	var errs []error
	want := map[string][]journal.Record{
		"00FIRST": stored(1, 3, 0),
		run:       append(stored(1, 400, 0), stored(401, 500, 1)...),
	}
	for id, records := range want {
		got, err := s.Read(t.Context(), id, 0, 0)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		equal(t, "records of run "+id, got, records)
	}
	return errors.Join(errs...)
}
