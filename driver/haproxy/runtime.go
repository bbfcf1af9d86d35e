package haproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/segue-run/segue/edge"
)

// errNoMap: HAProxy knows no map of that file.
var errNoMap = errors.New("its configuration uses no such map")

// share is what a map in HAProxy's memory says of a key. there is false when
// the map has no such key.
func (c *Conn) share(ctx context.Context, file, key string) (s edge.Share, there bool, err error) {
	answer, err := c.ask(ctx, "show map "+file)
	if err != nil {
		return 0, false, err
	}
	if strings.HasPrefix(answer, "Unknown map") {
		return 0, false, fmt.Errorf("%s: %s: %w", c, file, errNoMap)
	}
	for line := range strings.Lines(answer) {
		fields := strings.Fields(line) // 0x558302a08880 new 5000
		if len(fields) != 3 || fields[1] != key {
			continue
		}
		if there {
			return 0, true, fmt.Errorf("%s: map %s has the key %s twice in memory: reload HAProxy with one", c, file, key)
		}
		there = true
		if s, err = parseBuckets(fields[2]); err != nil {
			return 0, true, fmt.Errorf("%s: map %s, key %s: %w", c, file, key, err)
		}
	}
	return s, there, nil
}

// setShare sets it, and looks whether it took hold.
func (c *Conn) setShare(ctx context.Context, file, key string, to edge.Share) error {
	_, there, err := c.share(ctx, file, key)
	if err != nil {
		return err
	}
	verb := "set"
	if !there {
		verb = "add"
	}
	answer, err := c.ask(ctx, fmt.Sprintf("%s map %s %s %d", verb, file, key, to))
	if err != nil {
		return err
	}
	is, there, err := c.share(ctx, file, key)
	if err != nil {
		return err
	}
	if !there || is != to {
		return fmt.Errorf("%s: map %s, key %s: it was told %s, and has %s: %s", c, file, key, to, is, answer)
	}
	return nil
}

// A backend is what HAProxy counts of one.
type backend struct {
	answered float64 // requests, by the status of their answers
}

// backends are all that there are.
func (c *Conn) backends(ctx context.Context) (map[string]backend, error) {
	answer, err := c.ask(ctx, "show stat -1 2 -1") // all proxies, backends only
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(answer, "# "))).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("%s: its statistics are no table: %w", c, err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, name := range []string{"pxname", "hrsp_1xx", "hrsp_2xx"} {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("%s: its statistics have no column %s", c, name)
		}
	}
	out := map[string]backend{}
	for _, row := range rows[1:] {
		number := func(name string) float64 {
			i, ok := column[name]
			if !ok || i >= len(row) {
				return 0
			}
			n, _ := strconv.ParseFloat(row[i], 64) // empty where it does not apply
			return n
		}
		var b backend
		for _, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"} {
			b.answered += number("hrsp_" + class)
		}
		out[row[column["pxname"]]] = b
	}
	return out, nil
}

// process is the running HAProxy: its counters begin with it.
func (c *Conn) process(ctx context.Context) (string, error) {
	answer, err := c.ask(ctx, "show info")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(answer) {
		if pid, ok := strings.CutPrefix(line, "Pid: "); ok {
			return strings.TrimSpace(pid), nil
		}
	}
	return "", fmt.Errorf("%s does not tell its process", c)
}
