package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sealed"
	"github.com/segue-run/segue/journal/sqlite"
)

// left is a state directory with a run that was given up, into whose journal
// its process wrote records last.
func left(t *testing.T, records ...journal.Record) (state, id string) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	state = filepath.Join(dir, "state")
	text := "segue: v1\nname: newer\nphases: [{name: one, approve: {count: 1}, steps: [{name: X, exec: {do: [/bin/true], undo: [/bin/true], observe: [/bin/cat, x], want: a}}]}]\n"
	file := filepath.Join(dir, "newer.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := told(t, state, "run", "--quiet", "--no-wait", file); code != codeWaiting {
		t.Fatalf("the run ended with %d: %s", code, out)
	}
	s, err := sqlite.Open(ctx, state)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	runs, err := s.Runs(ctx, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id = runs[0].Run
	if len(records) == 0 {
		return state, id
	}
	l, err := s.Acquire(ctx, id, "another", time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(ctx, l, time.Now(), runs[0].LastSeq, records); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(ctx, l); err != nil {
		t.Fatal(err)
	}
	return state, id
}

func TestAJournalOfANewerSegueIsRefusedByName(t *testing.T) {
	for name, rec := range map[string]journal.Record{
		"event":   {Type: "step.teleported", Version: 1, Data: json.RawMessage(`{}`)},
		"version": {Type: "run.resumed", Version: 9, Data: json.RawMessage(`{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			state, id := left(t, rec)
			for _, args := range [][]string{{"status"}, {"why"}, {"report"}, {"run", "--resume", "--quiet"}, {"abort", "--wait", "100ms"}, {"doctor"}} {
				out, code := told(t, state, args...)
				if want := fmt.Sprintf("%q event of version %d, which this segue does not know", rec.Type, rec.Version); code != codeFailed || !strings.Contains(out, want) {
					t.Errorf("segue %s ended with %d and said %s", args, code, out)
				}
			}
			if out, code := told(t, state, "runs"); code != codeDone || !strings.Contains(out, id) {
				t.Errorf("segue runs ended with %d and said %s", code, out)
			}
		})
	}
}

// A process that died right after it had ended a run leaves what was sealed; to
// resume the run destroys it, as the doctor says.
func TestToResumeARunThatIsOverDestroysItsSeals(t *testing.T) {
	state, id := left(t)
	if out, code := told(t, state, "abort", "--wait", "0s"); code != codeDone {
		t.Fatal(out)
	}
	if out, code := told(t, state, "run", "--resume", "--quiet"); code != codeFailed || !strings.Contains(out, "aborted") {
		t.Fatalf("%d %s", code, out)
	}
	vault, err := sealed.Open(filepath.Join(state, "sealed"))
	if err != nil {
		t.Fatal(err)
	}
	if err := vault.Put(id, "left", []byte("hunter22")); err != nil {
		t.Fatal(err)
	}
	if out, code := told(t, state, "doctor"); code != codeFailed || !strings.Contains(out, "are left although the run is over") {
		t.Fatalf("%d %s", code, out)
	}
	told(t, state, "run", "--resume", "--quiet", id)
	if out, code := told(t, state, "doctor"); code != codeDone {
		t.Fatalf("%d %s", code, out)
	}
}
