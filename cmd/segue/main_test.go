package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// The test binary is the program itself when it is told to be.
const (
	beSegue  = "SEGUE_TEST_BE_SEGUE"
	dieAt    = "SEGUE_TEST_DIE_AT"   // the number of the boundary at which to kill -9 itself
	stopAt   = "SEGUE_TEST_STOP_AT"  // a boundary's name at which to SIGSTOP itself
	countsTo = "SEGUE_TEST_COUNT_TO" // a file that gets a line for each boundary
)

var (
	database postgrestest.Shared
	cluster  *natstest.Nodes
)

func TestMain(m *testing.M) {
	if os.Getenv(beSegue) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, hooks{boundary: boundary()})
		stop()
		os.Exit(code)
	}
	flag.Parse()
	// Those that may run side by side mostly wait.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(withServers(m))
}

func withServers(m *testing.M) int {
	dir, err := os.MkdirTemp("", "segue-cmd-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if cluster, err = natstest.Start(dir); err != nil {
		panic(err)
	}
	defer cluster.Stop()
	return database.Run(m)
}

// boundary is the hook of a process that is to die or to stop.
func boundary() func(string) {
	die, _ := strconv.Atoi(os.Getenv(dieAt))
	stop, file := os.Getenv(stopAt), os.Getenv(countsTo)
	if die == 0 && stop == "" && file == "" {
		return nil
	}
	var mu sync.Mutex
	n := 0
	return func(point string) {
		mu.Lock()
		defer mu.Unlock()
		n++
		if file != "" {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err == nil {
				fmt.Fprintln(f, point)
				f.Close()
			}
		}
		if n == die {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		if point == stop {
			stop = "" // once
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	}
}

// a cli is a state directory and an environment in which segue runs.
type cli struct {
	t     testing.TB
	state string
	env   []string
	dir   string
}

func newCLI(t testing.TB) *cli {
	t.Helper()
	c := &cli{t: t, state: t.TempDir(), dir: t.TempDir()}
	c.env = append(os.Environ(), beSegue+"=1", "SEGUE_STATE="+c.state, "SEGUE_ACTOR=ann",
		"NATS_URL="+cluster.URL(), "NATS_SYSTEM_CREDS="+cluster.SystemCreds())
	return c
}

func (c *cli) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return cmd
}

// result is how a segue ended.
type result struct {
	code     int // -1: by a signal
	out, err string
}

func (c *cli) run(args ...string) result { return c.runWith(nil, args...) }

func (c *cli) runWith(env []string, args ...string) result {
	c.t.Helper()
	cmd := c.command(args...)
	defer time.AfterFunc(90*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }).Stop()
	cmd.Env = append(cmd.Env, env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("segue %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func (c *cli) file(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}
