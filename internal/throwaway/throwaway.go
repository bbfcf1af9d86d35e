// Package throwaway runs a server for a moment, in a directory of its own, to
// see whether what was backed up can be had back. It runs as an unprivileged
// user where Segue is root, ends with Segue, and leaves nothing.
package throwaway

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

// An Instance is a directory, and the server that runs in it.
type Instance struct {
	Dir  string
	cred *syscall.Credential // nil: Segue's own user

	pid  int
	gone chan struct{} // closed when the program has ended
	log  bytes.Buffer  // read, as exit is, only after gone
	exit error
}

// nobody is the user that has no rights, and the group.
const nobody = 65534

// New makes the directory. Its path is short: a socket's may have 107 bytes.
func New() (*Instance, error) {
	dir, err := os.MkdirTemp("", "sg")
	if err != nil {
		return nil, fmt.Errorf("directory of a throw-away server: %w", err)
	}
	i := &Instance{Dir: dir}
	if os.Geteuid() == 0 {
		i.cred = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
	}
	return i, i.Give(dir)
}

// Give lets the server's user have a file.
func (i *Instance) Give(path string) error {
	if i.cred == nil {
		return nil
	}
	return os.Chown(path, nobody, nobody)
}

func (i *Instance) command(path string, args []string) *exec.Cmd {
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // a server's own program; its group is ended by Close
	cmd.Dir = i.Dir
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin", "HOME=" + i.Dir}
	cmd.SysProcAttr = attributes(i.cred)
	cmd.Stdout, cmd.Stderr = &i.log, &i.log
	return cmd
}

// Run runs a program to its end, or that of ctx.
func (i *Instance) Run(ctx context.Context, path string, args ...string) error {
	if err := i.launch(path, args); err != nil {
		return err
	}
	select {
	case <-i.gone:
	case <-ctx.Done():
		i.end()
		return fmt.Errorf("%s: %w", filepath.Base(path), context.Cause(ctx))
	}
	if i.exit != nil {
		return fmt.Errorf("%s: %s", filepath.Base(path), i.said())
	}
	return nil
}

// Start runs a server until Close, and waits until it is ready.
func (i *Instance) Start(ctx context.Context, ready func(context.Context) error, path string, args ...string) error {
	if err := i.launch(path, args); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-i.gone:
			return fmt.Errorf("%s ended: %s", filepath.Base(path), i.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", filepath.Base(path), errors.Join(context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}

// launch starts a program.
func (i *Instance) launch(path string, args []string) error {
	i.log.Reset()
	cmd := i.command(path, args)
	started, gone := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel ends the program when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("run %s: %w", path, err)
			return
		}
		i.pid, i.gone = cmd.Process.Pid, gone
		started <- nil
		i.exit = cmd.Wait()
		close(gone)
	}()
	return <-started
}

// said is the end of what the program said.
func (i *Instance) said() string {
	lines := strings.Split(strings.TrimSpace(i.log.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

// end ends the program with all that it started.
func (i *Instance) end() {
	if i.gone == nil {
		return
	}
	select {
	case <-i.gone:
	default:
		_ = syscall.Kill(-i.pid, syscall.SIGKILL)
		<-i.gone
	}
}

// Close ends the server and removes the directory.
func (i *Instance) Close() error {
	i.end()
	return os.RemoveAll(i.Dir)
}
