package datasync

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/segue-run/segue/driver"
)

// aside is the file of records that could not be taken over. What one pass has
// found stands there once, however often it is found again after a crash.
type aside struct {
	f    *os.File
	seen map[[sha256.Size]byte]bool
}

// A line is one of them.
type line struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Field  string    `json:"field,omitempty"`
	Reason string    `json:"reason"`
	Record any       `json:"record"`
}

func (l line) digest() ([sha256.Size]byte, error) {
	l.At = time.Time{}
	raw, err := json.Marshal(l)
	return sha256.Sum256(raw), err
}

// openAside opens the file for a pass that began when it had from bytes.
func openAside(path string, from int64) (_ *aside, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the file that the runbook names
	if err != nil {
		return nil, fmt.Errorf("open the file for what cannot be taken over: %w", err)
	}
	a := &aside{f: f, seen: map[[sha256.Size]byte]bool{}}
	defer func() {
		if err != nil {
			_ = f.Close()
			err = fmt.Errorf("read %s: %w", path, err)
		}
	}()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	whole := true // the last line is
	for in := bufio.NewReader(f); ; {
		raw, err := in.ReadBytes('\n')
		if len(raw) > 0 {
			whole = bytes.HasSuffix(raw, []byte("\n"))
			var l line
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.UseNumber()
			if dec.Decode(&l) == nil { // else a crash tore it
				if sum, err := l.digest(); err == nil {
					a.seen[sum] = true
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if !whole {
		if _, err := f.WriteString("\n"); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// asideSize is how long the file is before a pass; 0 when there is none.
func asideSize(path string) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look at the file for what cannot be taken over: %w", err)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is no regular file", path)
	}
	return info.Size(), nil
}

// keep adds records, and returns when they are on the disk.
func (a *aside) keep(from, to string, bad []driver.BadRecord) error {
	var text []byte
	for _, b := range bad {
		l := line{time.Now().UTC(), from, to, b.Field, b.Reason, b.Record}
		sum, err := l.digest()
		if err != nil {
			return fmt.Errorf("write a record as JSON: %w", err)
		}
		if a.seen[sum] {
			continue
		}
		a.seen[sum] = true
		raw, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("write a record as JSON: %w", err)
		}
		text = append(append(text, raw...), '\n')
	}
	if len(text) == 0 {
		return nil
	}
	if _, err := a.f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if _, err := a.f.Write(text); err != nil {
		return fmt.Errorf("keep a record aside: %w", err)
	}
	if err := a.f.Sync(); err != nil {
		return fmt.Errorf("keep a record aside: %w", err)
	}
	return nil
}

func (a *aside) close() error {
	if a == nil {
		return nil
	}
	return a.f.Close()
}
