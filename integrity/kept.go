package integrity

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
)

// was is one record before it was repaired, as a line of the file that keeps it.
type was struct {
	Key    []string      `json:"key"`
	Record driver.Record `json:"was"`   // nil: it was not there
	Wrote  string        `json:"wrote"` // the digest of what was written; "" if it was taken away
}

// keepAll adds records to the file, which is on the disk when it returns.
func keepAll(path string, records []was) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	for _, r := range records {
		r.Record = writable(r.Record)
		if err := enc.Encode(r); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}

// writable has bytes as PostgreSQL writes them: JSON knows none.
func writable(r driver.Record) driver.Record {
	if r == nil {
		return nil
	}
	out := make(driver.Record, len(r))
	for name, v := range r {
		if raw, ok := v.([]byte); ok {
			v = `\x` + hex.EncodeToString(raw)
		}
		out[name] = v
	}
	return out
}

// keptIn reads the file. A line that a crash cut off is left out: it is of
// nothing that was written.
func keptIn(path string) ([]was, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	dec := json.NewDecoder(bufio.NewReader(f))
	dec.UseNumber()
	var out []was
	for {
		var one was
		switch err := dec.Decode(&one); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read what was kept in %s: %w", path, err)
		}
		out = append(out, one)
	}
}
