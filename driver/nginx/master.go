package nginx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A master is NGINX's first process, which reads the configuration.
type master struct {
	pid      int
	uid, gid uint32
}

// errNotRunning: there is no master process.
var errNotRunning = errors.New("NGINX is not running")

var (
	pidLine      = regexp.MustCompile(`(?m)^\s*pid\s+["']?([^"';\s]+)["']?\s*;`)
	errorLogLine = regexp.MustCompile(`(?m)^\s*error_log\s+["']?([^"';\s]+)["']?[^;]*;`)
)

// setting is what the configuration file itself says, or else what NGINX was
// compiled with. It is asked before a test can be: the test is done as the
// master's user.
func (c *Conn) setting(line *regexp.Regexp, compiled string) (string, error) {
	src, err := os.ReadFile(c.p.Config)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c, err)
	}
	if m := line.FindSubmatch(comment.ReplaceAll(src, nil)); m != nil {
		return c.inPrefix(string(m[1]))
	}
	out, err := exec.Command(c.p.Program, "-V").CombinedOutput() //nolint:gosec // the program is the runbook's
	if err != nil {
		return "", fmt.Errorf("%s: %s -V: %w", c, c.p.Program, err)
	}
	if m := regexp.MustCompile(compiled + `=(\S+)`).FindSubmatch(out); m != nil {
		return c.inPrefix(string(m[1]))
	}
	return "", fmt.Errorf("%s: neither the configuration nor %s -V says %s", c, c.p.Program, compiled)
}

func (c *Conn) inPrefix(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if c.p.Prefix == "" {
		return "", c.refused(fmt.Sprintf("the path %s is relative", path), "write it absolute, or say with prefix what NGINX is started with as -p")
	}
	return filepath.Join(c.p.Prefix, path), nil
}

// master finds it by its pid file; what else has that pid by now is none.
func (c *Conn) master() (master, error) {
	file, err := c.setting(pidLine, "--pid-path")
	if err != nil {
		return master{}, err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return master{}, fmt.Errorf("%s: %w: %w", c, errNotRunning, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return master{}, fmt.Errorf("%s: %w: %s holds %q, and no process", c, errNotRunning, file, raw)
	}
	title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil || !strings.HasPrefix(string(title), "nginx: master process") {
		return master{}, fmt.Errorf("%s: %w: process %d, of %s, is not its master", c, errNotRunning, pid, file)
	}
	m := master{pid: pid, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())} //nolint:gosec // ids are not negative
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		m.uid, m.gid = st.Uid, st.Gid
	}
	return m, nil
}

// credential is for root alone, who can become the master's user.
func (m master) credential() *syscall.Credential {
	if os.Geteuid() != 0 || m.uid == 0 {
		return nil
	}
	return &syscall.Credential{Uid: m.uid, Gid: m.gid, NoSetGroups: true}
}

// workers are the master's children, each with whether it is shutting down.
func (m master) workers() (map[int]bool, error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	out := map[int]bool{}
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ending, is := m.worker(pid); is {
			out[pid] = ending
		}
	}
	return out, nil
}

// worker reports whether a process is one of the master's workers, and is
// shutting down.
func (m master) worker(pid int) (ending, is bool) {
	dir := fmt.Sprintf("/proc/%d", pid)
	raw, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return false, false // it has ended
	}
	// pid (comm) state ppid …, and comm may hold anything
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 2 || fields[1] != strconv.Itoa(m.pid) || fields[0] == "Z" {
		return false, false
	}
	title, _ := os.ReadFile(dir + "/cmdline")
	if !strings.HasPrefix(string(title), "nginx: worker process") {
		return false, false // a cache manager, say
	}
	return strings.Contains(string(title), "shutting down"), true
}

// oldWorkersError says that old workers still carry connections.
type oldWorkersError struct {
	left   int
	waited time.Duration
}

func (e *oldWorkersError) Error() string {
	return fmt.Sprintf("the new generation serves, but %d workers of the old one have not ended within %s: they carry connections (WebSockets, say) on the split as it was; let worker_shutdown_timeout end them, wait longer (old-workers), or do not wait (old-workers: 0s)", e.left, e.waited)
}

// oldEnd waits until neither those that were there before nor others that are
// shutting down are left.
func (m master) oldEnd(ctx context.Context, before map[int]bool, within time.Duration) error {
	if within <= 0 {
		return nil
	}
	until := time.Now().Add(within)
	old := maps.Clone(before)
	for {
		maps.DeleteFunc(old, func(pid int, _ bool) bool { _, is := m.worker(pid); return !is })
		if len(old) == 0 { // of those that are known: to look for others takes a look at all processes
			now, err := m.workers()
			if err != nil {
				return err
			}
			maps.DeleteFunc(now, func(_ int, ending bool) bool { return !ending })
			if old = now; len(old) == 0 {
				return nil
			}
		}
		if !time.Now().Before(until) {
			return &oldWorkersError{len(old), within}
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// complaints remembers where NGINX's error log ends, to tell what was said
// since: a reload that fails says so only there.
func (c *Conn) complaints() func() string {
	file, err := c.setting(errorLogLine, "--error-log-path")
	var from int64
	if err == nil {
		if info, serr := os.Stat(file); serr == nil {
			from = info.Size()
		}
	}
	return func() string {
		f, ferr := os.Open(file)
		if err != nil || ferr != nil {
			return ""
		}
		defer f.Close()
		const most = 64 << 10
		raw := make([]byte, most)
		n, _ := f.ReadAt(raw, from)
		return problems(string(raw[:n]))
	}
}

// hangUp makes the master load its configuration.
func (m master) hangUp() error { return syscall.Kill(m.pid, syscall.SIGHUP) }
