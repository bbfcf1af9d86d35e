package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// StopTime is how long processes may take to end by themselves.
const StopTime = 8 * time.Second

// Down ends every process of the system in dir and removes dir. It needs
// nothing of the system to work still, and is content when there is none.
func (o Owner) Down(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	d := Dir(dir)
	if err := o.endAll(ctx, d); err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if !o.Has(d) {
		return fmt.Errorf("%s is not a system's directory (no %s in it): it is left as it is", dir, o.marker())
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// endAll kills process-compose, so that nothing is started again, and asks the
// others to end. PostgreSQL gets its own signal and the time it needs: a killed
// one leaves shared memory behind.
func (o Owner) endAll(ctx context.Context, d Dir) error {
	asked := map[int]bool{}
	giveUp := time.Now().Add(StopTime)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		left, err := o.owned(d)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		overdue := time.Now().After(giveUp)
		if time.Now().After(giveUp.Add(StopTime)) {
			return fmt.Errorf("still running after SIGKILL: %v", left)
		}
		for _, p := range left {
			switch {
			case overdue || p.name == ProcessCompose:
				p.signal(syscall.SIGKILL)
			case asked[p.pid]:
			case p.name == "postgres":
				p.signal(syscall.SIGINT)
			default:
				p.signal(syscall.SIGTERM)
			}
			asked[p.pid] = true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("take %s down: %w", d, context.Cause(ctx))
		}
	}
}

type proc struct {
	pid  int
	name string
}

func (p proc) signal(sig syscall.Signal) { _ = syscall.Kill(p.pid, sig) } // it may have ended

// owned finds the system's processes: those that carry its directory in their
// environment. Some write over theirs; their working directories give them
// away. PostgreSQL's children are left to their parent.
func (o Owner) owned(d Dir) ([]proc, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	mark := []byte(o.Variable + "=" + string(d) + "\x00")
	var out []proc
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		name, state, ok := status(pid)
		if !ok || state == "Z" || state == "X" {
			continue
		}
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // not ours to read: not ours
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		cwd = strings.TrimSuffix(cwd, " (deleted)")
		folder, titled := o.Titled[name]
		if bytes.Contains(environ, mark) || titled && cwd == d.Path(folder) {
			out = append(out, proc{pid, name})
		}
	}
	return out, nil
}

// status reads name and state; the name is in parentheses and may hold any
// character.
func status(pid int) (name, state string, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", false
	}
	open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if open < 0 || end < open {
		return "", "", false
	}
	fields := strings.Fields(string(raw[end+1:]))
	if len(fields) == 0 {
		return "", "", false
	}
	return string(raw[open+1 : end]), fields[0], true
}
