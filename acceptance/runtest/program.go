package runtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal/sqlite"
)

// build builds segue, once for all tests of a binary.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "segue-acceptance-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "segue")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/segue")
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)), os.RemoveAll(dir))
	}
	return bin, nil
})

// Root is the checkout.
func Root() string {
	_, self, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(self), "..", "..")
}

// Main runs a package's tests and takes away what was built for them.
func Main(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin)) // it is in the temporary directory
	}
	os.Exit(code)
}

// Segue is the program under one environment, with a state directory of its own.
type Segue struct {
	Dir   string   // from which it is called
	State string   // its state directory
	Env   []string // NAME=value, beside the process's own
	// Approve are the phases that have a step which waits for an approval.
	Approve []string

	mu   sync.Mutex
	seqs map[string]int64 // the newest event that was seen of each run
}

// New is a segue in directories that end with the test.
func New(t testing.TB, env []string, approve ...string) *Segue {
	t.Helper()
	if _, err := build(); err != nil {
		t.Fatalf("build segue: %v", err)
	}
	return &Segue{Dir: t.TempDir(), State: t.TempDir(), Env: env, Approve: approve, seqs: map[string]int64{}}
}

// Result is how a call ended.
type Result struct {
	Code     int // -1: by a signal
	Out, Err string
}

func (r Result) String() string { return r.Out + r.Err }

// Command is a call of it.
func (s *Segue) Command(ctx context.Context, args ...string) *exec.Cmd {
	bin, err := build()
	if err != nil {
		panic(err) // New has built it
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Env = append(cmd.Env, "SEGUE_STATE="+s.State, "SEGUE_ACTOR=ann")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Call calls it and waits for its end.
func (s *Segue) Call(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	return Finish(t, s.Command(ctx, args...))
}

// Finish runs a command of the program to its end.
func Finish(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s%s", cmd.Args[1:], err, &out, &errOut)
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// Must wants an exit code.
func (s *Segue) Must(t testing.TB, code int, args ...string) Result {
	t.Helper()
	r := s.Call(t, args...)
	if r.Code != code {
		t.Fatalf("segue %s: exit %d, want %d\n%s", strings.Join(args, " "), r.Code, code, r)
	}
	return r
}

// Now decodes into out how a run stands by segue status.
func (s *Segue) Now(t testing.TB, id string, out any) {
	t.Helper()
	raw := s.Must(t, 0, "status", id, "--json").Out
	if err := json.Unmarshal([]byte(raw), out); err != nil {
		t.Fatalf("%v in:\n%s", err, raw)
	}
}

// StatusOf is a run's status by segue status.
func (s *Segue) StatusOf(t testing.TB, id string) engine.Status {
	t.Helper()
	var now struct {
		Status engine.Status `json:"status"`
	}
	s.Now(t, id, &now)
	return now.Status
}

// Runs are the IDs in the journal; none before there is one.
func (s *Segue) Runs(t testing.TB) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	reader, err := sqlite.OpenReadOnly(t.Context(), s.State)
	if err != nil {
		return out
	}
	defer reader.Close()
	list, err := reader.Runs(t.Context(), time.Now())
	if err != nil {
		return out
	}
	for _, run := range list {
		out[run.Run] = true
	}
	return out
}

// Await looks until a condition holds.
func Await(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// Check ends the test on an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Set are inputs as arguments; of one that is given twice the first counts.
func Set(inputs ...string) (args []string) {
	given := map[string]bool{}
	for _, kv := range inputs {
		if name, _, _ := strings.Cut(kv, "="); !given[name] {
			given[name] = true
			args = append(args, "--set", kv)
		}
	}
	return args
}

func oneLine(data []byte) string { return fmt.Sprintf("%.300s", data) }
