package haproxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/segue-run/segue/edge"
)

// A mapFile is the text of a map: lines of a key and a value, and comments.
// Only the value of one key is changed; every other byte stays.
type mapFile []byte

// find is the key's share, and where its value stands.
func (m mapFile) find(path, key string) (s edge.Share, at, end int, err error) {
	line, found := 0, 0
	for start := 0; start < len(m); {
		stop := len(m)
		if i := strings.IndexByte(string(m[start:]), '\n'); i >= 0 {
			stop = start + i
		}
		line++
		text := string(m[start:stop])
		fields := strings.Fields(text)
		if len(fields) > 0 && fields[0] == key {
			if found > 0 {
				return 0, 0, 0, fmt.Errorf("%s:%d: the key %s is there a second time, after line %d: leave one", path, line, key, found)
			}
			found = line
			value := strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(text, " \t"), key))
			if s, err = parseBuckets(value); err != nil {
				return 0, 0, 0, fmt.Errorf("%s:%d: the key %s: %w", path, line, key, err)
			}
			at = start + strings.LastIndex(text, value)
			end = at + len(value)
		}
		start = stop + 1
	}
	if found == 0 {
		return 0, 0, 0, fmt.Errorf("%s has no line for the key %s: add `%s 0`, and reload HAProxy", path, key, key)
	}
	return s, at, end, nil
}

// with is the text with another share for the key. A text that cannot be
// understood, as somebody broke it, gets a line for the key alone.
func (m mapFile) with(path, key string, s edge.Share) mapFile {
	value := strconv.Itoa(int(s))
	_, at, end, err := m.find(path, key)
	if err == nil {
		return mapFile(string(m[:at]) + value + string(m[end:]))
	}
	var out strings.Builder
	for line := range strings.Lines(string(m)) {
		if fields := strings.Fields(line); len(fields) == 0 || fields[0] != key {
			out.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	out.WriteString(key + " " + value + "\n")
	return mapFile(out.String())
}

// parseBuckets reads a share as a map has it: hundredths of a percent.
func parseBuckets(text string) (edge.Share, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > int(edge.Whole) {
		return 0, fmt.Errorf("%q is no share: a whole number from 0 to %d, in hundredths of a percent, was expected", text, edge.Whole)
	}
	return edge.Share(n), nil
}
