package prometheus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// measured is what a query gave once.
type measured struct {
	Query  string    `json:"query"`
	Value  float64   `json:"value"`
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
}

// book is a file of baselines, by their names.
type book struct {
	Baseline map[string]measured `json:"baseline"`
}

// notOurs: the file is there, and is no file of baselines.
type notOurs struct{ path, why string }

func (e *notOurs) Error() string { return e.path + " is no file of baselines: " + e.why }

// maxBook bounds what is read of a file that may be anything.
const maxBook = 1 << 20

// readBook returns nil if there is no such file.
func readBook(path string) (*book, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // absence is an answer
	case err != nil:
		return nil, fmt.Errorf("read the baseline: %w", err)
	case !info.Mode().IsRegular():
		return nil, &notOurs{path, "it is no regular file"}
	case info.Size() > maxBook:
		return nil, &notOurs{path, fmt.Sprintf("it has %d bytes", info.Size())}
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) { // just now
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	var b book
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	switch err := dec.Decode(&b); {
	case err != nil:
		return nil, &notOurs{path, err.Error()}
	case dec.More():
		return nil, &notOurs{path, "more follows after the JSON"}
	case len(b.Baseline) == 0:
		return nil, &notOurs{path, "it holds no baseline"}
	}
	return &b, nil
}

// write puts the file in place whole, and on the disk before it returns.
func (b *book) write(path string) error {
	raw, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the baseline: %w", err)
	}
	if err := renameio.WriteFile(path, append(raw, '\n'), 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return syncDir(path)
}

// removeBook removes the file, for good when it returns.
func removeBook(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the baseline: %w", err)
	}
	return syncDir(path)
}

// syncDir makes what a directory says of a file outlive a loss of power.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync the directory of %s: %w", path, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync the directory of %s: %w", path, err)
	}
	return nil
}
