// Command segue carries a live system from an old shape to a new one, and can
// put everything back.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C leaves the run in order; a second one ends the program at
	// once, should a driver not let go.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, hooks{})
	stop()
	os.Exit(code)
}

// hooks are what tests change of the program.
type hooks struct {
	boundary func(point string) // see runner.Runner.Boundary
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, h hooks) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, catalog: builtIn(), hooks: h}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return codeDone
	}
	code := codeOf(err)
	if text := a.secrets.Redact(err.Error()); text != "" {
		fmt.Fprintln(stderr, "segue: "+text)
	}
	return code
}
