package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// holder names this process among all that may hold a lease: host, pid, boot,
// pid namespace and start time, so that a pid that comes again is another.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	pid := os.Getpid()
	return fmt.Sprintf("%s pid %d %s", host, pid, life(pid))
}

// life is what tells one process with a pid from another.
func life(pid int) string {
	return fmt.Sprintf("(%s, %s, started %s)", bootID(), pidSpace(), startTime(pid))
}

// pidSpace is the namespace in which this process's pids mean something: what
// lives in another container must not be taken for dead.
func pidSpace() string {
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "pid:[unknown]"
	}
	return space
}

// dead reports whether a holder is a process of this machine that is no more.
func dead(holder string) bool {
	host, err := os.Hostname()
	if err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(holder, host+" pid ")
	if !ok {
		return false
	}
	number, rest, _ := strings.Cut(rest, " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return false
	}
	if !strings.Contains(rest, pidSpace()) && strings.Contains(rest, bootID()) {
		return false // it lives where we cannot see
	}
	return rest != life(pid)
}

func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(raw) < 8 {
		return "boot unknown"
	}
	return "boot " + string(raw[:8])
}

// startTime is field 22 of /proc/PID/stat (proc(5)): clock ticks after boot;
// "never" when there is no such process, or only its remains.
func startTime(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "never"
	}
	// The command's name, in parentheses, may hold anything: count from behind.
	text := string(raw)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "never"
	}
	return fields[19]
}
