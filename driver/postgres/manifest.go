package postgres

import (
	"cmp"
	"context"
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

	"github.com/segue-run/segue/internal/disk"
)

// manifest says what a dump is of, and what the file must be.
type manifest struct {
	Database string    `json:"database"`
	Identity string    `json:"identity"` // system identifier and database
	Server   string    `json:"server"`   // its version
	Dumper   string    `json:"pg_dump"`  // its version
	Taken    time.Time `json:"taken"`    // what was committed before is in it
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"`
	Made     making    `json:"made"`
	// Rows counts each table as it is in the dump; absent if nobody counted.
	Rows map[string]int64 `json:"rows,omitempty"`
}

const (
	dumpEnding     = ".dump"
	manifestEnding = ".manifest.json"
	takenForm      = "20060102T150405.000Z"
)

// fileName is a database's name in the name of a file. What it leaves as it is
// has no '~', which therefore ends it in the name of a partial file.
func fileName(database string) string {
	var b strings.Builder
	for i := range len(database) {
		c := database[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func partialPrefix(database string) string { return ".partial-" + fileName(database) + "~" }

func dumpName(database string, taken time.Time) string {
	return fileName(database) + "-" + taken.UTC().Format(takenForm) + dumpEnding
}

// dumps lists the names of a database's dumps in dir, newest first; none if
// there is no dir.
func dumps(dir, database string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for backups of database %s: %w", database, err)
	}
	type dump struct {
		name  string
		taken time.Time
	}
	var found []dump
	for _, e := range entries {
		text, isDump := strings.CutSuffix(e.Name(), dumpEnding)
		text, ofIt := strings.CutPrefix(text, fileName(database)+"-")
		taken, err := time.Parse(takenForm, text)
		if isDump && ofIt && err == nil {
			found = append(found, dump{e.Name(), taken})
		}
	}
	slices.SortFunc(found, func(a, b dump) int { return cmp.Or(b.taken.Compare(a.taken), cmp.Compare(b.name, a.name)) })
	names := make([]string, len(found))
	for i, d := range found {
		names[i] = d.name
	}
	return names, nil
}

// readManifest reads what a dump in dir must be.
func readManifest(dir, name string) (*manifest, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name+manifestEnding))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no manifest beside it: postgres.backup did not take it, or not to its end", name)
	}
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("the manifest of %s cannot be read: %w", name, err)
	}
	if m.SHA256 == "" || m.Identity == "" {
		return nil, fmt.Errorf("the manifest of %s says neither what the file must be nor of which database it is", name)
	}
	return &m, nil
}

// write puts the manifest beside the dump that is to get its name.
func (m *manifest) write(dir, name string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(dir, name+manifestEnding), append(raw, '\n'), 0o600)
}

// fits compares an open dump with its manifest, and leaves it at its start.
func (m *manifest) fits(ctx context.Context, f *os.File, s *disk.Sums) error {
	name := filepath.Base(f.Name())
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != m.Size {
		return fmt.Errorf("%s has %d bytes, and %d by its manifest", name, info.Size(), m.Size)
	}
	sum, err := s.Of(ctx, f, info)
	if err != nil {
		return err
	}
	if sum != m.SHA256 {
		return fmt.Errorf("the checksum of %s does not fit: it is %s, and %s by its manifest", name, sum, m.SHA256)
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// whole reads the manifest of a dump that is what it says.
func whole(ctx context.Context, dir, name string, s *disk.Sums) (*manifest, error) {
	m, err := readManifest(dir, name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return m, m.fits(ctx, f, s)
}
