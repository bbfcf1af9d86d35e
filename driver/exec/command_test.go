package exec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunReportsHowACommandEnded(t *testing.T) {
	t.Setenv("SEGUE_TEST_SECRET", "hunter2")
	for name, c := range map[string]struct {
		argv    []string
		s       surroundings
		want    result
		wantErr string
	}{
		"output is trimmed":                {[]string{"printf", " a\nb \n\n"}, surroundings{}, result{0, "a\nb", ""}, ""},
		"an exit status is a result":       {[]string{"sh", "-c", "echo no >&2; exit 3"}, surroundings{}, result{3, "", "no"}, ""},
		"its own environment":              {[]string{"printenv", "A"}, surroundings{Env: map[string]string{"A": "1"}}, result{0, "1", ""}, ""},
		"nothing of Segue's environment":   {[]string{"printenv", "SEGUE_TEST_SECRET"}, surroundings{}, result{1, "", ""}, ""},
		"arguments are not expanded":       {[]string{"echo", "$HOME", "*", ";"}, surroundings{}, result{0, "$HOME * ;", ""}, ""},
		"a directory of its own":           {[]string{"pwd"}, surroundings{Dir: "/"}, result{0, "/", ""}, ""},
		"a command that is not there":      {[]string{"/no/such/command"}, surroundings{}, result{}, "no such file"},
		"a command that dies by a signal":  {[]string{"sh", "-c", "kill -9 $$"}, surroundings{}, result{}, "signal: killed"},
		"one that takes too long":          {[]string{"sh", "-c", "echo waiting >&2; exec sleep 1000"}, surroundings{Timeout: 200 * time.Millisecond}, result{}, "deadline exceeded: waiting"},
		"who leaves its output to another": {[]string{"sh", "-c", "sleep 2 & echo done"}, surroundings{}, result{0, "done", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.s.run(context.Background(), c.argv)
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
				t.Errorf("got error %v, want %q", err, c.wantErr)
			}
		})
	}
}

func TestOutputIsBoundedAtWholeLines(t *testing.T) {
	got, err := surroundings{}.run(t.Context(), []string{"sh", "-c", "yes 'a line with a secret in it' | head -c 1000000"})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(got.output, "\n")
	if len(got.output) > maxOutput+100 || lines[len(lines)-1] != "… (cut)" || lines[len(lines)-2] != "a line with a secret in it" {
		t.Errorf("%d bytes, which end in %q", len(got.output), got.output[len(got.output)-60:])
	}
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	for name, script := range map[string]string{
		"with a child of its own":        `sleep 1000 & echo $$ $! > pids; wait`,
		"though it ignores being asked":  `trap '' TERM; sleep 1000 & echo $$ $! > pids; while :; do wait; done`,
		"though only the child stays on": `(trap '' TERM; echo $$ > pids.tmp; sleep 1000) & echo $$ $! > pids; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := surroundings{Dir: dir}.run(ctx, []string{"sh", "-c", script})
				ended <- err
			}()
			pids := waitForPids(t, filepath.Join(dir, "pids"))
			began := time.Now()
			cancel()
			err := <-ended
			took := time.Since(began)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("run of a cancelled command: %v", err)
			}
			t.Logf("ended after %s", took)
			if took > 400*time.Millisecond { // 100 ms and room for a busy machine
				t.Errorf("it took %s to end", took)
			}
			for _, pid := range pids {
				waitForEnd(t, pid)
			}
		})
	}
}

func waitForPids(t *testing.T, file string) []int {
	t.Helper()
	for t.Context().Err() == nil {
		text, _ := os.ReadFile(file)
		if !strings.HasSuffix(string(text), "\n") {
			continue
		}
		var pids []int
		for f := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
		return pids
	}
	return nil
}

// waitForEnd fails if a process lives on; what is dead and not yet buried is over.
func waitForEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}

// A command that takes back what it made needs time for it.
func TestGraceLetsACommandEndByItself(t *testing.T) {
	for patience, tidied := range map[time.Duration]bool{0: false, 10 * time.Second: true} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			script := `sh -c "trap 'kill \$!; sleep 0.3; echo > tidied; exit 0' TERM; sleep 1000 & echo \$\$ > pids; wait"; true`
			_, err := surroundings{Dir: dir}.patiently(ctx, max(patience, grace), []string{"sh", "-c", script})
			ended <- err
		}()
		waitForPids(t, filepath.Join(dir, "pids"))
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("grace %s: %v", patience, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "tidied")); (err == nil) != tidied {
			t.Errorf("grace %s: it has tidied up: %v", patience, err)
		}
	}
}
