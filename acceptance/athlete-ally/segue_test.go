package acceptance_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/journal/sqlite"
)

// program builds segue, once for all tests of this binary.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "segue-acceptance-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "segue")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/segue")
	cmd.Dir = root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)), os.RemoveAll(dir))
	}
	return bin, nil
})

// root is the checkout.
func root() string {
	_, self, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(self), "..", "..")
}

func TestMain(m *testing.M) {
	hog() // if that is what this process is for
	code := m.Run()
	if bin, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin)) // it is in the temporary directory
	}
	os.Exit(code)
}

// result is how a segue ended.
type result struct {
	code     int // -1: by a signal
	out, err string
}

func (r result) String() string { return r.out + r.err }

// command is a call of segue under the system's environment, from a directory
// in which nothing is.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	bin, err := program()
	if err != nil {
		w.t.Fatalf("build segue: %v", err)
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), w.sys.Env.Pairs()...)
	cmd.Env = append(cmd.Env, w.staging.Env.Pairs()...)
	cmd.Env = append(cmd.Env, "SEGUE_STATE="+w.state, "SEGUE_ACTOR=ann")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// segue calls the program and waits for its end.
func (w *world) segue(t testing.TB, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	return finish(t, w.command(ctx, args...))
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s%s", cmd.Args[1:], err, &out, &errOut)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// must wants an exit code.
func (w *world) must(t testing.TB, code int, args ...string) result {
	t.Helper()
	r := w.segue(t, args...)
	if r.code != code {
		t.Fatalf("segue %s: exit %d, want %d\n%s", strings.Join(args, " "), r.code, code, r)
	}
	return r
}

// runs are the IDs in the journal; none before there is one.
func (w *world) runs(t testing.TB) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	reader, err := sqlite.OpenReadOnly(t.Context(), w.state)
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

// await looks until a condition holds.
func await(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
