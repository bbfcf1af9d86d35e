package nats

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// manifest says what a backup is of, and what its files must be.
type manifest struct {
	Cluster  string            `json:"cluster"`
	Account  string            `json:"account"`
	Stream   string            `json:"stream"`
	Taken    time.Time         `json:"taken"`
	Messages uint64            `json:"messages"` // when it began
	LastSeq  uint64            `json:"last_seq"`
	SHA256   map[string]string `json:"sha256"` // by file
}

const manifestFile = "manifest.json"

// write sums up the files in dir and puts the manifest beside them.
func (m *manifest) write(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	m.SHA256 = map[string]string{}
	for _, f := range files {
		if m.SHA256[f.Name()], err = sum(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, manifestFile), append(raw, '\n'), 0o600)
}

// sum hashes a file and makes sure that it is on disk.
func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), f.Sync()
}

// newest finds the newest whole backup of a stream: one whose files are what
// its manifest says. It returns nil if there is none.
func newest(dir, stream string) (*manifest, string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("look for backups of stream %s: %w", stream, err)
	}
	slices.Reverse(entries) // their names end in the time
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), stream+"-") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if m := whole(path); m != nil && m.Stream == stream {
			return m, path, nil
		}
	}
	return nil, "", nil
}

// whole reads a backup's manifest; nil if it, or a file, is not as it says.
func whole(dir string) *manifest {
	raw, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil
	}
	var m manifest
	if json.Unmarshal(raw, &m) != nil || len(m.SHA256) == 0 {
		return nil
	}
	for name, want := range m.SHA256 {
		if got, err := sum(filepath.Join(dir, name)); err != nil || got != want {
			return nil
		}
	}
	return &m
}
