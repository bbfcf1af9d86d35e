package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/segue-run/segue/internal/disk"
)

// manifest says what a backup is of, what is in it, and what its files must
// be.
type manifest struct {
	Cluster     string            `json:"cluster"`
	Account     string            `json:"account"`
	Stream      string            `json:"stream"`
	Created     time.Time         `json:"created"` // when the stream was made: it is told from another of its name
	Taken       time.Time         `json:"taken"`
	Messages    uint64            `json:"messages"`
	LastSeq     uint64            `json:"last_seq"`         // the stream's; the message may be gone
	Newest      *mark             `json:"newest,omitempty"` // the last message that is in it
	NoConsumers bool              `json:"no_consumers,omitempty"`
	Consumers   []savedConsumer   `json:"consumers,omitempty"`
	SHA256      map[string]string `json:"sha256"` // by file

	content string // sums up all messages as they were read just now; "" for archives of servers before 2.15
}

// mark is one message, told from all others.
type mark struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
}

// savedConsumer is how far a consumer was.
type savedConsumer struct {
	Name      string   `json:"name"`
	Durable   bool     `json:"durable"`
	Replicas  int64    `json:"replicas,omitempty"` // of its own; 0: as the stream
	Delivered position `json:"delivered"`
	AckFloor  position `json:"ack_floor"`
}

const manifestFile = "manifest.json"

// name is that of the backup's directory.
func (m *manifest) name() string {
	return m.Stream + "-" + m.Taken.UTC().Format("20060102T150405.000Z")
}

// write sums up the files in dir and puts the manifest beside them.
func (m *manifest) write(ctx context.Context, dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	m.SHA256 = map[string]string{}
	for _, f := range files {
		if m.SHA256[f.Name()], _, err = disk.SumFile(ctx, filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, manifestFile), append(raw, '\n'), 0o600)
}

// found is a backup in a directory.
type found struct {
	*manifest
	dir string
}

func (f found) name() string { return filepath.Base(f.dir) }

// backups lists those of a stream that have a manifest, the newest first.
func backups(dir, stream string) ([]found, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for backups of stream %s: %w", stream, err)
	}
	var out []found
	for _, e := range entries {
		if !e.IsDir() || e.Name()[0] == '.' { // a dot: not finished
			continue
		}
		path := filepath.Join(dir, e.Name())
		if m := readManifest(path); m != nil && m.Stream == stream {
			out = append(out, found{m, path})
		}
	}
	slices.SortStableFunc(out, func(a, b found) int { return b.Taken.Compare(a.Taken) })
	return out, nil
}

// newest finds the newest whole backup of a stream among those that fit; nil
// if there is none. damaged are newer ones that would fit, and are not whole.
func newest(ctx context.Context, dir, stream string, fits func(*manifest) bool) (b *found, damaged []string, err error) {
	all, err := backups(dir, stream)
	if err != nil {
		return nil, nil, err
	}
	for _, one := range all {
		if !fits(one.manifest) {
			continue
		}
		broken, err := one.broken(ctx)
		if err != nil {
			return nil, nil, err
		}
		if broken == "" {
			return &one, damaged, nil
		}
		damaged = append(damaged, one.name()+": "+broken)
	}
	return nil, damaged, nil
}

func readManifest(dir string) *manifest {
	raw, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil
	}
	var m manifest
	if json.Unmarshal(raw, &m) != nil || len(m.SHA256) == 0 {
		return nil
	}
	return &m
}

// broken says which file is not as the manifest has it; "" if all are.
func (f found) broken(ctx context.Context) (string, error) {
	for name, want := range f.SHA256 {
		got, _, err := disk.SumFile(ctx, filepath.Join(f.dir, filepath.Base(name)))
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("check backup %s: %w", f.dir, context.Cause(ctx))
		case err != nil:
			return err.Error(), nil
		case got != want:
			return name + " is not what was written: its checksum differs", nil
		}
	}
	return "", nil
}
