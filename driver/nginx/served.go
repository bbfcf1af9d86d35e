package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
)

// Served implements driver.Edge: by the log in which NGINX writes where it
// passed each request on to, counted from the first look on.
func (c *Conn) Served(_ context.Context, sides []string) (driver.Served, error) {
	s, err := c.splitOf(sides)
	if err != nil {
		return driver.Served{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.logs[s.Name]
	if l == nil || l.path != s.Log {
		if l, err = openLog(s.Log); err != nil {
			return driver.Served{}, fmt.Errorf("%s: the log of split %s: %w", c, s.Name, err)
		}
		c.logs[s.Name] = l
	}
	if err := l.read(); err != nil {
		return driver.Served{}, fmt.Errorf("%s: the log of split %s: %w", c, s.Name, err)
	}
	out := driver.Served{Sides: map[string]float64{}, Since: l.since, Query: s.Log}
	out.Hint = fmt.Sprintf("if they did, an access_log of the server's or location's own hides them: write `access_log %s segue_%s if=$segue_%s_counted;` beside it", s.Log, s.Name, s.Name)
	for _, side := range sides {
		out.Sides[side] = l.counts[side]
	}
	return out, nil
}

// splitOf is the split that has these sides.
func (c *Conn) splitOf(sides []string) (settings, error) {
	found, err := filepath.Glob(filepath.Join(c.dir, "*.http.conf"))
	if err != nil {
		return settings{}, err
	}
	var have []string
	for _, path := range found {
		src, err := os.ReadFile(path)
		if err != nil {
			return settings{}, fmt.Errorf("%s: %w", c, err)
		}
		s, err := parseSealed(src)
		if err != nil {
			continue // edited: the log may lie elsewhere
		}
		has := map[string]bool{s.New: true, s.Old: true}
		all := true
		for _, side := range sides {
			all = all && has[side]
		}
		if all {
			return s, nil
		}
		have = append(have, fmt.Sprintf("%s (%s, %s)", s.Name, s.New, s.Old))
	}
	return settings{}, fmt.Errorf("%s has no split between %s; it has: %s", c, strings.Join(sides, " and "), strings.Join(have, ", "))
}

// A logCounter counts the lines of a log by side, over its rotations.
type logCounter struct {
	path, since string
	file        *os.File
	at          int64
	rest        []byte // of a line whose end is not written yet
	counts      map[string]float64
}

// openLog begins at the log's end.
func openLog(path string) (*logCounter, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &logCounter{
		path: path, since: strconv.FormatInt(time.Now().UnixNano(), 36),
		file: f, at: info.Size(), counts: map[string]float64{},
	}, nil
}

func (l *logCounter) close() { _ = l.file.Close() }

// read counts what has come. A log that was moved away is read to its end
// before its successor.
func (l *logCounter) read() error {
	if err := l.drain(); err != nil {
		return err
	}
	info, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // moved, and NGINX has not been told yet
	}
	if err != nil {
		return err
	}
	mine, err := l.file.Stat()
	if err != nil || os.SameFile(info, mine) {
		return err
	}
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	l.close()
	l.file, l.at, l.rest = f, 0, nil
	return l.drain()
}

// drain counts what the file at hand holds beyond what was read.
func (l *logCounter) drain() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < l.at { // cut in place
		l.at, l.rest = 0, nil
	}
	raw := make([]byte, 256<<10)
	for {
		n, err := l.file.ReadAt(raw, l.at)
		l.at += int64(n)
		l.count(raw[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *logCounter) count(raw []byte) {
	l.rest = append(l.rest, raw...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return
		}
		if f := bytes.Fields(l.rest[:i]); len(f) == 3 { // time, side, status
			l.counts[string(f[1])]++
		}
		l.rest = l.rest[i+1:]
	}
}
