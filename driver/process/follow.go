package process

import (
	"context"
	"strings"

	"github.com/segue-run/segue/driver"
)

// Follow implements driver.LogKeeper.
func (c *Conn) Follow() driver.LogReader { return &follower{conn: c, heard: map[string][]string{}} }

// follower reads what is new at the end of each replica's log.
type follower struct {
	conn  *Conn
	heard map[string][]string
}

// Next implements driver.LogReader.
func (f *follower) Next(ctx context.Context) ([]driver.LogLine, error) {
	all, err := f.conn.list(ctx)
	if err != nil {
		return nil, err
	}
	var out []driver.LogLine
	for _, s := range all {
		lines, err := f.conn.logs(ctx, s.Name, tailLength)
		if err != nil {
			return nil, err
		}
		old, known := f.heard[s.Name]
		f.heard[s.Name] = lines
		fresh, joined := news(old, lines)
		// A log that is not full has begun anew: nothing is missing of it.
		gap := known && !joined && len(lines) >= tailLength
		for _, line := range fresh {
			if line == again {
				continue
			}
			out = append(out, driver.LogLine{Workload: s.Name, Text: strings.TrimRight(line, "\r\n"), Gap: gap})
			gap = false
		}
	}
	return out, nil
}
