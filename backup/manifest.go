package backup

import (
	"context"
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
)

// A manifest says what is in a bundle, and what its files must be.
type manifest struct {
	Segue string    `json:"segue"` // the form of the bundle
	Name  string    `json:"name"`
	Taken time.Time `json:"taken"` // of what was dumped first: all that was there before is in it
	// Made is when it was whole; Host, where; Segue's version is By.
	Made time.Time `json:"made,omitzero"`
	Host string    `json:"host,omitempty"`
	By   string    `json:"by,omitempty"`
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
	// Journal: it is Segue's own, for people to read and never put back.
	Journal bool `json:"journal,omitempty"`
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

// text is what is signed: all else that the manifest says.
func (m manifest) text() ([]byte, error) {
	m.Signature = ""
	return json.Marshal(m)
}

// write signs the manifest and puts it into dir.
func (m *manifest) write(dir string, k key) error {
	text, err := m.text()
	if err != nil {
		return err
	}
	if m.Signature, err = k.sign(text); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, manifestFile), append(raw, '\n'), 0o600)
}

// read takes a manifest that has the right signature.
func read(dir string, k key) (*manifest, error) {
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
	text, err := m.text()
	if err != nil {
		return nil, err
	}
	if err := k.check(text, m.Signature); err != nil {
		return nil, err
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
