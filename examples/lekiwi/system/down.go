package system

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

// stopTime is how long processes may take to end by themselves.
const stopTime = 8 * time.Second

// Down ends every process of the system in dir and removes dir. It needs
// nothing of the system to work still, and is content when there is none.
func Down(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	l := layout(dir)
	if err := endAll(ctx, l); err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if !l.isSystem() {
		return fmt.Errorf("%s is not a system's directory (no %s in it): it is left as it is", dir, markerFile)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// endAll kills process-compose, so that nothing is started again, and asks the
// others to end. PostgreSQL gets its own signal and the time it needs: a killed
// one leaves shared memory behind.
func endAll(ctx context.Context, l layout) error {
	asked := map[int]bool{}
	giveUp := time.Now().Add(stopTime)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		left, err := owned(l)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		overdue := time.Now().After(giveUp)
		if time.Now().After(giveUp.Add(stopTime)) {
			return fmt.Errorf("still running after SIGKILL: %v", left)
		}
		for _, p := range left {
			switch {
			case overdue || p.name == binCompose:
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
			return fmt.Errorf("take %s down: %w", l, context.Cause(ctx))
		}
	}
}

type proc struct {
	pid  int
	name string
}

func (p proc) signal(sig syscall.Signal) { _ = syscall.Kill(p.pid, sig) } // it may have ended

// owned finds the system's processes: those that carry its directory in their
// environment. NGINX, PostgreSQL and Redis write over theirs; their working
// directories give them away. PostgreSQL's children are left to their parent.
func owned(l layout) ([]proc, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	mark := []byte(ownerVariable + "=" + string(l) + "\x00")
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
		titled := map[string]string{"nginx": string(l), "postgres": l.data("postgres"), "redis-server": l.data("redis")}
		if bytes.Contains(environ, mark) || cwd != "" && cwd == titled[name] {
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
