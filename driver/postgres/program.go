package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// programGrace is what pg_dump and pg_restore get to tell the server that
	// they stop, before they are killed.
	programGrace = 300 * time.Millisecond
	// maxComplaint bounds what is kept of what a program complains of.
	maxComplaint = 16 << 10
)

// program is one of PostgreSQL's own client programs, run to its end.
type program struct {
	path    string
	args    []string
	env     []string
	in, out *os.File // nil: nothing
}

// run ends when the program does, or soon after ctx, and then with all that the
// program started. The error has what it complained of, without the password.
func (p program) run(ctx context.Context, hide secret) error {
	name := filepath.Base(p.path)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run %s: %w", name, context.Cause(ctx))
	}
	var said tail
	cmd := exec.Command(p.path, p.args...) //nolint:gosec,noctx // PostgreSQL's own; the whole group is ended below
	cmd.Dir, cmd.Env = "/", p.env
	cmd.Stderr = &said
	if p.in != nil {
		cmd.Stdin = p.in
	}
	if p.out != nil {
		cmd.Stdout = p.out
	}
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = programGrace // for who keeps the output open after the program's end

	started, over := make(chan int, 1), make(chan error, 1)
	go func() {
		// The kernel ends the program when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			over <- err
			return
		}
		started <- cmd.Process.Pid
		over <- cmd.Wait()
	}()
	select {
	case err := <-over:
		if err == nil || errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		return hide.hide(fmt.Errorf("%s: %w%s", name, err, complaint(name, said.text())))
	case <-ctx.Done():
	}
	select {
	case group := <-started:
		stop(group, over)
	case <-over: //nolint:errcheck // that it is over is all that counts here
	}
	return fmt.Errorf("%s: %w", name, context.Cause(ctx))
}

// stop ends a process group: it asks, and then does not ask. Asked, pg_dump
// and pg_restore cancel what the server is doing for them.
func stop(group int, over <-chan error) {
	t := time.NewTimer(programGrace)
	defer t.Stop()
	_ = syscall.Kill(-group, syscall.SIGTERM)
	select {
	case <-over: //nolint:errcheck // that it is over is all that counts here
	case <-t.C:
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // those too whom the first one left behind
}

// tail keeps the end of what is written to it.
type tail struct {
	buf []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxComplaint; over > maxComplaint {
		t.buf, t.cut = bytes.Clone(t.buf[over:]), true
	}
	return len(p), nil
}

// text is whole lines: half a secret would get past who looks for whole ones.
func (t *tail) text() string {
	s := strings.ToValidUTF8(string(t.buf), "�")
	if t.cut {
		_, s, _ = strings.Cut(s, "\n")
	}
	return strings.TrimSpace(s)
}

// complaint is what a program said went wrong. Rows and commands that it
// quotes stay out: they hold people's data, and passwords of servers.
func complaint(name, text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		said, own := strings.CutPrefix(line, name+": ")
		switch quotes := strings.HasPrefix(said, "detail: "); {
		case own && !quotes:
			kept = append(kept, said)
		case strings.HasPrefix(line, "HINT: "), strings.HasPrefix(line, "connection to server "):
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 && text != "" {
		kept = []string{strings.SplitN(text, "\n", 2)[0]}
	}
	if len(kept) == 0 {
		return ""
	}
	return ": " + strings.Join(kept, "; ")
}
