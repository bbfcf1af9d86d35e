package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/memory"
)

func TestTimeStandsStillUntilAFollowerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &memory.Disk{}
		writer, reader := disk.Open(), disk.Open()
		if err := writer.Create(t.Context(), "r", "", time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		l, err := writer.Acquire(t.Context(), "r", "a", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var seen []int64
		done := make(chan error, 1)
		go func() {
			done <- reader.Follow(ctx, "r", 0, func(r journal.Record) error { seen = append(seen, r.Seq); return nil })
		}()
		for last := range int64(5) {
			if _, err := writer.Append(ctx, l, time.Now(), last, make([]journal.Record, 1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(seen) != int(last)+1 {
				t.Fatalf("the follower saw %v after record %d", seen, last+1)
			}
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("follow: %v", err)
		}
	})
}

func TestACrashedProcessWritesNoMore(t *testing.T) {
	disk := &memory.Disk{}
	crashed := disk.Open()
	if err := crashed.Create(t.Context(), "r", "", time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	l, err := crashed.Acquire(t.Context(), "r", "a", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	crashed.Close()
	if _, err := crashed.Append(t.Context(), l, time.Now(), 0, make([]journal.Record, 1)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append: %v, want ErrClosed", err)
	}
	if records, err := disk.Open().Read(t.Context(), "r", 0, 0); err != nil || len(records) != 0 {
		t.Errorf("got %d records, %v; want none", len(records), err)
	}
}
