package process

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// tailLength is how much process-compose keeps of each replica.
const tailLength = 1000

// again is what process-compose writes into a log when it starts a process
// again that has ended. No line of a process can be that: it ends with it.
const again = "\n"

// tail is the end of a replica's log, and who writes it. process-compose keeps
// a log for as long as the replica's definition is not replaced, over all its
// processes; Segue replaces it with each start, and counts that.
type tail struct {
	status  status
	updates int
	lines   []string
}

// tails reads the logs of a service's replicas.
func (c *Conn) tails(ctx context.Context, service string) ([]tail, error) {
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	found := members(all, service)
	if len(found) == 0 {
		return nil, c.nobody(all, service)
	}
	out := make([]tail, len(found))
	for i, s := range found {
		d, err := c.definition(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		lines, err := c.logs(ctx, s.Name, tailLength)
		if err != nil {
			return nil, err
		}
		now, err := c.status(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		if now.PID != s.PID || now.Running != s.Running {
			return nil, fmt.Errorf("%s: %s is being started or stopped", c, s.Name)
		}
		out[i] = tail{s, d.marks().Updates, lines}
	}
	return out, nil
}

// voice is what a check has heard of a replica.
type voice struct {
	tail
	since  time.Time // when this process, or its absence, was first seen
	past   []string  // the log as it was when it was still another process's
	fresh  []string  // what is new since the last look
	gap    bool      // and more was written than could be read
	line   string    // the last line that matches
	said   bool      // by this process
	saidAt time.Time
}

// hear compares a log with what was heard before.
func (l *logsCheck) hear(t tail, now time.Time) *voice {
	v := l.heard[t.status.Name]
	if v == nil {
		v = &voice{tail: t, since: now, fresh: t.lines}
		l.heard[t.status.Name] = v
		return v
	}
	another := v.status.PID != t.status.PID || v.status.Running != t.status.Running
	anew := v.updates != t.updates
	v.fresh, v.gap = t.lines, false
	if !anew {
		var joined bool
		v.fresh, joined = news(v.lines, t.lines)
		v.gap = !joined && !another
	}
	if another {
		v.since, v.said, v.past = now, false, v.lines
	}
	if anew {
		v.past = nil
	}
	v.tail = t
	return v
}

// own are the lines that the present process has written, as far as can be
// told; none if there is a line for its start and it is not there.
func (v *voice) own(t tail, start *regexp.Regexp) []string {
	lines, _ := news(v.past, t.lines)
	if i := lastIndex(lines, func(line string) bool { return line == again }); i >= 0 {
		lines = lines[i+1:]
	}
	if start == nil {
		return lines
	}
	i := lastIndex(lines, start.MatchString)
	if i < 0 {
		return nil
	}
	return lines[i:]
}

func lastIndex(lines []string, is func(string) bool) int {
	for i, line := range slices.Backward(lines) {
		if is(line) {
			return i
		}
	}
	return -1
}

// news are the lines of a tail that were not in the one before: what follows
// the longest end of the old one that the new one begins with. joined: there is
// such an end, so that nothing is missing in between.
func news(old, tail []string) (fresh []string, joined bool) {
	for n := min(len(old), len(tail)); n > 0; n-- {
		if sameLines(old[len(old)-n:], tail[:n]) {
			return tail[n:], true
		}
	}
	return tail, len(old) == 0
}

func sameLines(a, b []string) bool {
	for i := len(a) - 1; i >= 0; i-- { // the ends differ first
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
