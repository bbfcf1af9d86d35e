package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts walks what a person sees: each file in testdata/script is a
// session. `segue CODE ARGS…` runs the program and wants that exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv(beSegue, "1")
			e.Setenv("SEGUE_STATE", e.WorkDir+"/state")
			e.Setenv("SEGUE_ACTOR", "ann")
			e.Setenv("NATS_URL", cluster.URL())
			e.Setenv("NATS_SYSTEM_CREDS", cluster.SystemCreds())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"segue": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) == 0 {
					ts.Fatalf("usage: segue CODE ARGS…")
				}
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				err = ts.Exec(os.Args[0], args[1:]...)
				got := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					got = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("segue: %v", err)
				}
				if got != want {
					ts.Fatalf("exit %d, want %d", got, want)
				}
			},
		},
	})
}
