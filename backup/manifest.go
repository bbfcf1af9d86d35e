package backup

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
)

const (
	manifestFile = "manifest.json"
	version      = "bundle/1"
	scheme       = "hmac-sha256:"
)

// A manifest says what is in a bundle, and what its files must be.
type manifest struct {
	Segue string    `json:"segue"` // the form of the bundle
	Name  string    `json:"name"`
	Taken time.Time `json:"taken"` // of what was dumped first: all that was there before is in it
	// Parts are what connections hold, by their names in the runbook.
	Parts map[string]driver.Dump `json:"parts,omitempty"`
	// Copies are the paths of configuration files, and of the journal, by their
	// names in the bundle.
	Copies    map[string]copied `json:"copies,omitempty"`
	Files     map[string]file   `json:"files"`
	Signature string            `json:"signature"`
}

// copied is where a file was.
type copied struct {
	Path string      `json:"path"`
	Mode fs.FileMode `json:"mode"`
}

// A file is what one of the bundle must be.
type file struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// sum sums up all files in dir, and sees them on the disk.
func (m *manifest) sum(ctx context.Context, dir string) error {
	m.Files = map[string]file{}
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return disk.SyncDir(path)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sum, n, err := disk.SumFile(ctx, path)
		m.Files[filepath.ToSlash(name)] = file{n, sum}
		return err
	})
}

// sign is the signature of all else that the manifest says.
func (m manifest) sign(key string) (string, error) {
	m.Signature = ""
	raw, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write(raw)
	return scheme + hex.EncodeToString(h.Sum(nil)), nil
}

// write signs the manifest and puts it into dir.
func (m *manifest) write(dir, key string) (err error) {
	if m.Signature, err = m.sign(key); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, manifestFile), append(raw, '\n'), 0o600)
}

// read takes a manifest that has the right signature.
func read(dir, key string) (*manifest, error) {
	raw, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("it has no manifest")
	}
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	if m.Segue != version {
		return nil, fmt.Errorf("it is a %q, and not a %q", m.Segue, version)
	}
	want, err := m.sign(key)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal([]byte(want), []byte(m.Signature)) {
		return nil, errors.New("its signature does not fit: the manifest was changed, or signed with another key")
	}
	return &m, nil
}

// fits compares what is in dir with the manifest.
func (m *manifest) fits(ctx context.Context, dir string, sums *disk.Sums) error {
	seen := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == manifestFile {
			return err
		}
		want, ok := m.Files[filepath.ToSlash(name)]
		if !ok || !e.Type().IsRegular() {
			return fmt.Errorf("%s is not in its manifest", name)
		}
		seen++
		return want.fits(ctx, path, name, sums)
	})
	if err == nil && seen < len(m.Files) {
		err = fmt.Errorf("it has %d files, and %d by its manifest", seen, len(m.Files))
	}
	return err
}

func (want file) fits(ctx context.Context, path, name string, sums *disk.Sums) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != want.Size {
		return fmt.Errorf("%s has %d bytes, and %d by its manifest", name, info.Size(), want.Size)
	}
	sum, err := sums.Of(ctx, f, info)
	if err == nil && sum != want.SHA256 {
		err = fmt.Errorf("%s is not what was written: its checksum differs", name)
	}
	return err
}
