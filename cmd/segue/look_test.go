package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/journal/sqlite"
)

// told runs the program on a state directory and returns what it said.
func told(t *testing.T, state string, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"--state", state, "--as", "ann"}, args...), strings.NewReader(""), &stdout, &stderr, hooks{})
	if code == codeUsage {
		t.Fatalf("segue %s: %s", strings.Join(args, " "), stderr.String())
	}
	return stdout.String() + stderr.String(), code
}

// carried is a state directory with a run in it that changed a file.
func carried(t *testing.T) (state string) {
	t.Helper()
	dir := t.TempDir()
	state = filepath.Join(dir, "state")
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rb := filepath.Join(dir, "small.yaml")
	text := fmt.Sprintf(`segue: v1
name: small
checks:
  is-new: {exec.check: {argv: [/bin/cat, %[1]s], expect: 'output == "new"'}}
phases:
  - name: only
    steps:
      - name: Write it
        exec: {do: [/bin/sh, -c, "echo new > %[1]s"], undo: [/bin/sh, -c, "echo old > %[1]s"], observe: [/bin/cat, %[1]s], want: new}
    verify: {within: 5s, checks: [is-new]}
`, file)
	if err := os.WriteFile(rb, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := told(t, state, "run", "--quiet", rb); code != codeDone {
		t.Fatalf("the run ended with %d: %s", code, out)
	}
	return state
}

func TestLookingAtARun(t *testing.T) {
	state := carried(t)
	report := filepath.Join(t.TempDir(), "deep", "report.md")
	tests := map[string]struct {
		args []string
		want []string
	}{
		"status":       {[]string{"status"}, []string{"small  run 01", "completed after", "✓ write-it", "is-new  pass"}},
		"by name":      {[]string{"status", "small"}, []string{"completed after"}},
		"why":          {[]string{"why"}, []string{"completed: all phases are done", "only verified: is-new pass (new)"}},
		"report":       {[]string{"report", "--verify"}, []string{"# small: completed", "each of which follows", "| only/write-it | exec |"}},
		"runs":         {[]string{"runs"}, []string{"RUNBOOK", "small", "completed"}},
		"watch":        {[]string{"watch"}, []string{"step only/write-it is done", "the run is completed"}},
		"doctor":       {[]string{"doctor"}, []string{"well  journal", "each of its", "well  permissions"}},
		"into a file":  {[]string{"report", "--out", report}, nil},
		"json, events": {[]string{"watch", "--json"}, []string{`"type":"run.completed"`}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			out, code := told(t, state, c.args...)
			if code != codeDone {
				t.Errorf("it ended with %d", code)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
	if text, err := os.ReadFile(report); err != nil || !strings.HasPrefix(string(text), "# small") {
		t.Errorf("the report in a file: %v, %.40s", err, text)
	}
}

func TestEveryLookIsJSONToo(t *testing.T) {
	state := carried(t)
	for _, cmd := range []string{"status", "why", "report", "runs", "doctor"} {
		out, code := told(t, state, cmd, "--json")
		if code != codeDone || !json.Valid([]byte(out)) {
			t.Errorf("%s --json ended with %d and printed:\n%.400s", cmd, code, out)
		}
	}
}

func TestTheDoctorFindsADamagedJournalAndSavesWhatIsWhole(t *testing.T) {
	state := carried(t)
	path := filepath.Join(state, sqlite.File)
	s, err := sqlite.Open(context.Background(), state)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // folds the log into the file
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(raw, []byte(`"step":"only/write-it","after"`))
	if i < 0 {
		t.Fatal("the journal does not hold the step's outcome where it was sought")
	}
	raw[i+9] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "saved")
	out, code := told(t, state, "doctor", "--salvage", saved)
	if code != codeFailed || !strings.Contains(out, "does not match its checksum") || !strings.Contains(out, "are whole; lost") {
		t.Errorf("it ended with %d and said:\n%s", code, out)
	}
	if lines, err := os.ReadFile(saved); err != nil || bytes.Count(lines, []byte("\n")) < 4 {
		t.Errorf("saved: %v\n%s", err, lines)
	}
}
