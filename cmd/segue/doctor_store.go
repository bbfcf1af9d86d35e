package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
)

// permissions looks at who else may read or write what only the owner should.
func (d *doctor) permissions() {
	sound := true
	for _, f := range []struct {
		name   string
		others fs.FileMode // bits that nobody but the owner may have
		why    string
	}{
		{".", 0o022, "whoever can write here can forge runs"},
		{sqlite.File, 0o022, "whoever can write it can forge runs"},
		{"key", 0o077, "it signs what you approve"},
		{"sealed", 0o077, "it holds what undoing must know"},
	} {
		path := filepath.Join(d.a.state, f.name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			d.say(ill, path, err.Error(), "")
			sound = false
			continue
		}
		if mode := info.Mode().Perm(); mode&f.others != 0 {
			d.say(ill, path, fmt.Sprintf("its permissions are %04o: %s", mode, f.why), fmt.Sprintf("chmod %04o %s", mode&^f.others, path))
			sound = false
		}
	}
	if sound {
		d.say(well, "permissions", "only the owner writes "+d.a.state+" and reads what is secret in it", "")
	}
}

// damaged tells what of a damaged journal is whole, and saves it if asked to.
func (d *doctor) damaged(ctx context.Context, c *journal.CorruptError) {
	d.say(ill, "journal", c.Problem, "keep a copy of "+c.Path+" and its -wal before anything else; segue doctor --salvage FILE writes what is whole")
	runs, err := sqlite.Salvage(ctx, c.Path)
	if err != nil {
		d.say(ill, "salvage", err.Error(), "")
		return
	}
	for _, r := range runs {
		verdict, detail := well, fmt.Sprintf("all %d records are whole", len(r.Records))
		if r.Lost != "" {
			verdict, detail = ill, fmt.Sprintf("records 1 to %d are whole; lost: %s", len(r.Records), r.Lost)
		}
		d.say(verdict, fmt.Sprintf("run %s (%s), salvaged", r.Run, r.Name), detail, "")
	}
	if len(runs) == 0 {
		d.say(ill, "salvage", "no record is whole", "")
		return
	}
	if d.salvage == "" {
		return
	}
	if err := writeSalvaged(d.salvage, runs); err != nil {
		d.say(ill, "salvage", err.Error(), "")
		return
	}
	d.say(well, "salvage", "written to "+d.salvage, "")
}

// writeSalvaged keeps records, each with its run, one JSON object a line.
func writeSalvaged(path string, runs []sqlite.RunRecords) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, r := range runs {
		for _, rec := range r.Records {
			line := struct {
				Run string `json:"run"`
				journal.Record
			}{r.Run, rec}
			if err := enc.Encode(line); err != nil {
				return fmt.Errorf("encode record %d of run %s: %w", rec.Seq, r.Run, err)
			}
		}
	}
	if err := renameio.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write what was salvaged: %w", err)
	}
	return nil
}
