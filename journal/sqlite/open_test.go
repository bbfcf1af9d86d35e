package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/journal"
)

func TestOpenMakesADirectoryAndFilesForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	s := mustOpen(t, dir)
	mustCreate(t, s, "r", 3)
	got := map[string]fs.FileMode{}
	for _, name := range []string{"", File, File + "-wal", File + "-shm"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = info.Mode().Perm()
	}
	want := map[string]fs.FileMode{"": 0o700, File: 0o600, File + "-wal": 0o600, File + "-shm": 0o600}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestManyMayOpenAMissingJournalAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	var wg sync.WaitGroup
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			s, err := Open(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Create(t.Context(), id, id, time.Now(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	runs, err := mustOpen(t, dir).Runs(t.Context(), time.Now())
	if err != nil || len(runs) != 6 {
		t.Errorf("%d runs, %v; want 6", len(runs), err)
	}
}

func TestAStateDirectoryMayBeRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := Open(t.Context(), "st")
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, "r", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if runs, err := mustOpen(t, "st").Runs(t.Context(), time.Now()); err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

func TestTheJournalIsDurable(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	got := map[string]string{}
	for _, pragma := range []string{"journal_mode", "synchronous", "busy_timeout"} {
		var value string
		if err := s.w.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[pragma] = value
	}
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "25"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAJournalFromTheFutureIsRefusedAndUnchanged(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "r", 3)
	if _, err := s.w.ExecContext(t.Context(), "PRAGMA user_version = 3"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	before, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(t.Context(), dir); !errors.Is(err, journal.ErrNewer) {
			t.Fatalf("open: %v, want ErrNewer", err)
		}
		if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, journal.ErrNewer) {
			t.Fatalf("open read-only: %v, want ErrNewer", err)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil || string(before) != string(after) {
		t.Errorf("the file changed (%v)", err)
	}
}

func TestAnotherProgramsDatabaseIsNoJournal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, File)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE photos (id)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	var corrupt *journal.CorruptError
	if _, err := Open(t.Context(), dir); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "not a journal of Segue") {
		t.Errorf("got %v", err)
	}
}

func TestReadingWhatDoesNotExistSaysSoAndMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, err := OpenReadOnly(t.Context(), dir)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no journal in "+dir) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

func TestReadersAndTheWriterDoNotWaitForEachOther(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "r", 3)
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), busyTimeout/2)
	defer cancel()

	// Within a write, and within another reader's view, both can go on.
	err = r.read(ctx, func(view *sql.Tx) error {
		if _, err := runOf(ctx, view, "r"); err != nil {
			return err
		}
		if err := s.Create(ctx, "r2", "", time.Now(), nil); err != nil {
			return err
		}
		return s.write(ctx, func(*sql.Tx) error {
			_, err := r.Read(ctx, "r2", 0, 0)
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAWriterThatIsStuckMakesOthersBusyNotBlocked(t *testing.T) {
	dir := t.TempDir()
	stuck, s := mustOpen(t, dir), mustOpen(t, dir)
	s.patience = 30 * time.Millisecond
	err := stuck.write(t.Context(), func(*sql.Tx) error {
		return s.Create(t.Context(), "r", "", time.Now(), nil)
	})
	if !errors.Is(err, journal.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	mustCreate(t, s, "r", 1) // nothing was stored
}

func TestWaitingForAStuckWriterEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	stuck, s := mustOpen(t, dir), mustOpen(t, dir)
	began := time.Now()
	err := stuck.write(t.Context(), func(*sql.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return s.Create(ctx, "r", "", time.Now(), nil)
	})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > busyTimeout/2 {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestAfterACrashAReaderSeesAllThatWasStored(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "r", 7)
	crashed := copyOf(t, dir) // nobody closed it: all is still in the log
	r, err := OpenReadOnly(t.Context(), crashed)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if records, err := r.Read(t.Context(), "r", 0, 0); err != nil || len(records) != 7 {
		t.Errorf("%d records, %v; want 7", len(records), err)
	}
}

// A journal of the first version, as an earlier Segue left it, is read as it is
// and brought to this one by the first who writes; also by two at once.
func TestAJournalOfAnEarlierVersionIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustCreate(t, s, "r", 3)
	if _, err := s.w.ExecContext(t.Context(), "DROP TABLE deliveries; PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	older := s // still open, with what it knows
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := r.Deliveries(t.Context(), "r"); err != nil || len(got) != 0 {
		t.Errorf("read-only: %v, %v", got, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Deliver(t.Context(), journal.Delivery{Run: "r", Key: "k", At: time.Now()}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := r.Deliveries(t.Context(), "r"); err != nil || len(got) != 1 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	if _, err := older.Send(t.Context(), "r", "key", time.Now(), []byte("1")); err != nil {
		t.Errorf("who had it open: %v", err)
	}
	if err := r.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
