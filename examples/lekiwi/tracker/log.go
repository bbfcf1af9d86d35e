package tracker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	readEvery = 500 * time.Millisecond
	// readAtOnce bounds what is read, and written, at a time.
	readAtOnce = 1 << 20
	writeTime  = 10 * time.Second
)

// edgeLog reads the edge's log and writes what it has read.
type edgeLog struct {
	path  string
	pool  *pgxpool.Pool
	log   *slog.Logger
	split *split

	file  *os.File
	inode uint64
	at    int64 // how far what was read is written
}

// run reads until ctx ends.
func (l *edgeLog) run(ctx context.Context) {
	defer func() { _ = l.file.Close() }() // nil is content to be closed
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	away := false
	for {
		err := l.read(ctx)
		if err != nil && !away && ctx.Err() == nil {
			l.log.Warn("the edge's log waits", "error", err)
		}
		away = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// read takes in what there is.
func (l *edgeLog) read(ctx context.Context) error {
	for ctx.Err() == nil {
		if l.file == nil {
			if err := l.open(ctx); err != nil {
				return err
			}
		}
		lines, err := l.next()
		if err != nil {
			return err
		}
		if len(lines) > 0 {
			if err := l.take(ctx, lines); err != nil {
				return err
			}
			continue
		}
		turned, err := l.turned()
		if err != nil || !turned {
			return err
		}
		_ = l.file.Close() // it was only read
		l.file = nil
	}
	return nil
}

// open goes on where the log was left. If it was turned meanwhile, what is left
// in the old file, which logrotate calls .1, comes first.
func (l *edgeLog) open(ctx context.Context) error {
	var inode, at int64
	err := l.pool.QueryRow(ctx, "SELECT inode, bytes FROM tracking_position WHERE file = $1", l.path).Scan(&inode, &at)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("edge log: %w", err)
	}
	for _, path := range []string{l.path + ".1", l.path} {
		file, err := os.Open(path)
		if err != nil && path != l.path {
			continue // it was not turned, or long ago
		}
		if err != nil {
			return fmt.Errorf("edge log: %w", err)
		}
		is, size, err := identify(file)
		if err != nil {
			return errors.Join(err, file.Close())
		}
		same := is == uint64(inode) //nolint:gosec // as it was written
		switch {
		case path != l.path && (!same || size <= at):
			_ = file.Close() // it was only looked at
			continue
		case !same || at > size:
			at = 0 // another file, or emptied
		}
		l.file, l.inode, l.at = file, is, at
		return nil
	}
	return nil
}

func identify(file *os.File) (inode uint64, size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("identify: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, errors.New("identify: the file has no inode")
	}
	return stat.Ino, info.Size(), nil
}

// next gives whole lines.
func (l *edgeLog) next() ([]byte, error) {
	buf := make([]byte, readAtOnce)
	n, err := l.file.ReadAt(buf, l.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("edge log: %w", err)
	}
	return buf[:bytes.LastIndexByte(buf[:n], '\n')+1], nil
}

// turned says whether the file that is read is no longer the log. What was in it
// was read to its end.
func (l *edgeLog) turned() (bool, error) {
	now, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // it is being turned
	}
	if err != nil {
		return false, fmt.Errorf("edge log: %w", err)
	}
	defer now.Close()
	inode, size, err := identify(now)
	return inode != l.inode || size < l.at, err
}

// take writes lines and how far that is, and counts them for the split.
func (l *edgeLog) take(ctx context.Context, lines []byte) error {
	var requests []request
	for line := range bytes.Lines(lines) {
		r, ok, err := parse(line)
		if err != nil {
			l.log.Error("a line of the edge is left out", "error", err)
			continue
		}
		if ok {
			requests = append(requests, r)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	at := l.at + int64(len(lines))
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var logs, tracking [][]any
		for _, r := range requests {
			logs = append(logs, []any{r.at, r.system, r.server, r.method, r.path, int32(r.status), r.took}) //nolint:gosec // three digits
			if r.robot != "" {
				tracking = append(tracking, []any{r.system, r.robot, r.took, r.at, r.path, int32(r.status)}) //nolint:gosec // as above
			}
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"request_logs"},
			[]string{"timestamp", "system", "server", "method", "path", "status", "response_time"}, pgx.CopyFromRows(logs)); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"migration_tracking"},
			[]string{"system", "robot_id", "response_time", "timestamp", "path", "status"}, pgx.CopyFromRows(tracking)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO tracking_position (file, inode, bytes) VALUES ($1, $2, $3)
			ON CONFLICT (file) DO UPDATE SET inode = excluded.inode, bytes = excluded.bytes`, l.path, int64(l.inode), at) //nolint:gosec // as it is
		return err
	})
	if err != nil {
		return fmt.Errorf("write %d requests: %w", len(requests), err)
	}
	l.at = at
	for _, r := range requests {
		l.split.add(r.at, r.system)
	}
	return nil
}
