package journaltest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

// childEnv tells a child of the test what to append to.
const childEnv = "SEGUE_JOURNALTEST_LOCATION"

// batch is how many records the child appends at once: all of them are there
// afterwards, or none.
const batch = 3

// kills is how often the writer is killed.
const kills = 10

// Main runs the tests, or, in a process that a test started, writes the
// journal at the location that open is given.
func Main(m *testing.M, open func(location string) (journal.Store, error)) {
	location := os.Getenv(childEnv)
	if location == "" {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, write(context.Background(), location, open))
	os.Exit(1)
}

// write appends until it is killed and prints each sequence it was promised.
func write(ctx context.Context, location string, open func(string) (journal.Store, error)) error {
	s, err := open(location)
	if err != nil {
		return err
	}
	l, err := s.Acquire(ctx, run, "child", time.Now(), time.Hour)
	if err != nil {
		return err
	}
	records, err := s.Read(ctx, run, 0, 0)
	if err != nil {
		return err
	}
	last := int64(len(records))
	for {
		last, err = s.Append(ctx, l, time.Now(), last, events(int(last)+1, int(last)+batch))
		if err != nil {
			return err
		}
		if _, err := fmt.Println(last); err != nil {
			return err
		}
	}
}

// testProcesses kills a writing process again and again, while this process
// follows it, sends to it and reads.
func testProcesses(t *testing.T, fresh func(*testing.T) Place) {
	f := newFixture(t, fresh(t))
	f.create(t, run)
	followed := make(chan int64, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		want := int64(0)
		ended <- f.Follow(ctx, run, 0, func(r journal.Record) error {
			if want++; r.Seq != want || string(r.Data) != string(event(int(want)).Data) {
				return fmt.Errorf("followed to record %d %s, want %d", r.Seq, r.Data, want)
			}
			select {
			case <-followed:
			default:
			}
			followed <- want
			return nil
		})
	}()
	defer func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("follow: %v", err)
		}
	}()

	for i := range kills {
		promised := killAfter(t, f, 3+i*4)
		f.send(t, "after kill "+strconv.Itoa(i), start, nil)
		records, err := f.Read(t.Context(), run, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		last := len(records)
		if int64(last) < promised || last%batch != 0 {
			t.Fatalf("%d records are there, %d were promised, %d at a time", last, promised, batch)
		}
		want := stored(1, last, 0)
		for j := range want { // each child had its own epoch
			want[j].Epoch = records[j].Epoch
		}
		equal(t, "records", records, want)
		waitFor(t, followed, int64(last))
	}
	equal(t, "messages", len(f.inbox(t, 0)), kills+1)
	f.wantSound(t)
}

// killAfter lets a child make n appends, kills it, and returns the last
// sequence it was promised.
func killAfter(t *testing.T, f *fixture, n int) (promised int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test
	child.Env = append(os.Environ(), childEnv+"="+f.place.Location)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		seq, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			break // a line the kill cut
		}
		promised = seq
		switch i {
		case n / 2: // while it writes, reading works and so does sending
			f.send(t, "during "+f.place.Location, start, nil)
			if _, err := f.Read(t.Context(), run, promised-1, 0); err != nil {
				t.Error(err)
			}
		case n:
			_ = child.Process.Kill() // SIGKILL
		}
	}
	_ = child.Wait()
	if promised == 0 {
		t.Fatal("the child wrote nothing")
	}
	return promised
}

// waitFor waits until the follower is at seq.
func waitFor(t *testing.T, followed <-chan int64, seq int64) {
	t.Helper()
	late := time.After(promptly)
	for {
		select {
		case at := <-followed:
			if at >= seq {
				return
			}
		case <-late:
			t.Fatalf("the follower does not get to record %d", seq)
		}
	}
}
