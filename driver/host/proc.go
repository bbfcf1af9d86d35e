package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// kernel is where the kernel tells of the machine.
type kernel struct{ root string } // "" but in tests

func (k kernel) read(file string) (string, error) {
	raw, err := os.ReadFile(k.root + file)
	return string(raw), err
}

// memory is what there is, and what could be had without swapping.
type memory struct {
	total, available uint64
	limit            string  // the cgroup that leaves least; "" for the machine
	used             float64 // the largest share that is used, of the machine's or of a limit
}

func (k kernel) memory() (memory, error) {
	text, err := k.read("/proc/meminfo")
	if err != nil {
		return memory{}, err
	}
	m, err := parseMeminfo(text)
	if err != nil {
		return m, err
	}
	m.used = share(m.total-min(m.available, m.total), m.total)
	return k.limited(m)
}

func parseMeminfo(text string) (memory, error) {
	total, err := kilobytes(text, "MemTotal")
	if err != nil {
		return memory{}, err
	}
	available, err := kilobytes(text, "MemAvailable")
	return memory{total: total, available: available}, err
}

func kilobytes(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+":")
		if f := strings.Fields(rest); ok && len(f) == 2 && f[1] == "kB" {
			n, err := strconv.ParseUint(f[0], 10, 54)
			if err == nil {
				return n * 1024, nil
			}
		}
	}
	return 0, fmt.Errorf("/proc/meminfo does not tell %s", name)
}

// limited goes up the cgroups (of version 2) that this process is in, and
// takes the one that leaves least.
func (k kernel) limited(m memory) (memory, error) {
	mount, within, err := k.cgroup()
	if err != nil || mount == "" {
		return m, err
	}
	machine := m.total
	for at := within; ; at = path.Dir(at) {
		limit, available, err := k.group(path.Join(mount, at))
		if err != nil {
			return m, err
		}
		if limit > 0 && limit < machine {
			m.used = max(m.used, share(limit-available, limit))
		}
		if limit > 0 && available < m.available {
			m.total, m.available, m.limit = min(machine, limit), available, at
		}
		if at == "/" {
			return m, nil
		}
	}
}

// cgroup is where the hierarchy of version 2 is mounted, and where in it this
// process is; "" if there is none.
func (k kernel) cgroup() (mount, within string, err error) {
	text, err := k.read("/proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	mounts, err := k.read("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(text) {
		own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for line := range strings.Lines(mounts) {
			left, right, _ := strings.Cut(line, " - ")
			f := strings.Fields(left)
			if len(f) < 5 || !strings.HasPrefix(right, "cgroup2 ") {
				continue
			}
			// f[3] is what of the hierarchy is mounted at f[4].
			inside, ok := strings.CutPrefix(own, strings.TrimSuffix(f[3], "/"))
			if !ok || inside != "" && inside[0] != '/' {
				inside = "/"
			}
			return f[4], path.Clean("/" + inside), nil
		}
	}
	return "", "", nil
}

// group is the limit of one cgroup, 0 for none, and what is left of it.
func (k kernel) group(dir string) (limit, available uint64, err error) {
	text, err := k.read(path.Join(dir, "memory.max"))
	if text = strings.TrimSpace(text); errors.Is(err, fs.ErrNotExist) || text == "max" {
		return 0, 0, nil // the root has no limit
	}
	if err != nil {
		return 0, 0, err
	}
	if limit, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("%s/memory.max: %w", dir, err)
	}
	if text, err = k.read(path.Join(dir, "memory.current")); err != nil {
		return 0, 0, err
	}
	used, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("%s/memory.current: %w", dir, err)
	}
	// Pages of files that nobody uses are given back when they are needed.
	if text, err = k.read(path.Join(dir, "memory.stat")); err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "inactive_file" {
			if n, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				used -= min(n, used)
			}
		}
	}
	return limit, limit - min(used, limit), nil
}

// loads are the averages over 1, 5 and 15 minutes.
func parseLoads(text string) ([3]float64, error) {
	var out [3]float64
	f := strings.Fields(text)
	if len(f) < 3 {
		return out, fmt.Errorf("/proc/loadavg has not three numbers")
	}
	for i := range out {
		v, err := strconv.ParseFloat(f[i], 64)
		if err != nil || !(v >= 0) {
			return out, fmt.Errorf("/proc/loadavg: %q is no load", f[i])
		}
		out[i] = v
	}
	return out, nil
}

// ticks are times of all processors together.
type ticks struct {
	busy, all uint64
	cpus      int
}

// parseStat takes the first line apart. The time of guests is within that of
// users; what a hypervisor stole was not to be had.
func parseStat(text string) (ticks, error) {
	var t ticks
	found := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "cpu" && len(f) >= 5:
			for i, field := range f[1:min(len(f), 9)] {
				n, err := strconv.ParseUint(field, 10, 64)
				if err != nil {
					return t, fmt.Errorf("/proc/stat: %q is no time", field)
				}
				t.all += n
				if i != 3 && i != 4 { // idle, and waiting for a disk
					t.busy += n
				}
			}
			found = true
		case strings.HasPrefix(f[0], "cpu"):
			t.cpus++
		}
	}
	if !found || t.cpus == 0 {
		return t, errors.New("/proc/stat does not tell of processors")
	}
	return t, nil
}

func (k kernel) ticks() (ticks, error) {
	text, err := k.read("/proc/stat")
	if err != nil {
		return ticks{}, err
	}
	return parseStat(text)
}
