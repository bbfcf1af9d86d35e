package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/segue-run/segue/journal"
)

// RunRecords is what could be read of a run: its records from the first on
// without a gap, each verified.
type RunRecords struct {
	Run     string
	Name    string // "" when it could not be read
	Records []journal.Record
	// Lost says what could not be read; "" when the run is whole.
	Lost string
}

// Salvage reads what can be read of a damaged journal, runs in the order of
// their IDs. It does not ask SQLite, which gives up where its structure is
// broken, but looks at every page for whole rows: which of them belong
// together, their checksums tell. It changes nothing. No Store on path may be
// open in this process.
func Salvage(ctx context.Context, path string) ([]RunRecords, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the journal's path
	if err != nil {
		return nil, fmt.Errorf("salvage the journal: %w", err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("salvage the journal: %w", err)
	}
	f := findings{records: map[recordKey][]finding{}, runs: map[string]runFinding{}}
	for row := range pagesOf(data, log).rows() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f.add(row)
	}
	return f.assemble(), nil
}

// findings are rows as they lay in the file, to be verified yet.
type findings struct {
	records map[recordKey][]finding
	runs    map[string]runFinding
}

type recordKey struct {
	run string
	seq int64
}

type finding struct {
	record journal.Record
	sum    []byte
}

type runFinding struct {
	name    string
	lastSeq int64
}

// add takes a row that has the form of a record or of a run.
func (f findings) add(row []value) {
	switch kinds(row) {
	case "tiiitibb": // records
		f.addRecord(recordKey{string(row[0].bytes), row[1].int}, finding{journal.Record{
			Seq: row[1].int, At: timeOf(row[2].int), Epoch: row[3].int,
			Type: string(row[4].bytes), Version: int(row[5].int), Data: blobOrNil(row[6].bytes),
		}, row[7].bytes})
	case "ttiiibiiti": // runs
		id := string(row[0].bytes)
		if last := row[3].int; last >= f.runs[id].lastSeq {
			f.runs[id] = runFinding{string(row[1].bytes), last}
		}
	}
}

// addRecord keeps what differs: a page that was split left copies.
func (f findings) addRecord(key recordKey, found finding) {
	for _, other := range f.records[key] {
		if bytes.Equal(other.sum, found.sum) && bytes.Equal(other.record.Data, found.record.Data) {
			return
		}
	}
	f.records[key] = append(f.records[key], found)
}

// assemble follows each run's chain from its start as far as it holds.
func (f findings) assemble() []RunRecords {
	ids := map[string]bool{}
	for key := range f.records {
		ids[key.run] = true
	}
	var runs []RunRecords
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		r := RunRecords{Run: id, Name: f.runs[id].name}
		c := genesis(id)
		for {
			rec, ok := f.next(c, recordKey{id, int64(len(r.Records)) + 1})
			if !ok {
				break
			}
			r.Records = append(r.Records, rec)
		}
		if len(r.Records) == 0 {
			continue
		}
		r.Lost = f.lost(id, int64(len(r.Records)))
		runs = append(runs, r)
	}
	return runs
}

// next moves the chain over the record that carries it on.
func (f findings) next(c *chain, key recordKey) (journal.Record, bool) {
	for _, found := range f.records[key] {
		try := chain{sum: c.sum}
		try.add(found.record)
		if bytes.Equal(try.sum[:], found.sum) {
			*c = try
			return found.record, true
		}
	}
	return journal.Record{}, false
}

// lost says what is missing of a run after its record last.
func (f findings) lost(id string, last int64) string {
	problem := "is missing"
	if len(f.records[recordKey{id, last + 1}]) > 0 {
		problem = "does not match its checksum"
	}
	run, known := f.runs[id]
	switch {
	case !known:
		return fmt.Sprintf("whether there were records after %d", last)
	case last < run.lastSeq:
		return fmt.Sprintf("records %d to %d: record %d %s", last+1, run.lastSeq, last+1, problem)
	}
	return ""
}

// saved says in a sentence what Salvage would give.
func saved(ctx context.Context, path string) string {
	runs, err := Salvage(ctx, path)
	if err != nil || len(runs) == 0 {
		return "nothing in it can be read"
	}
	parts := make([]string, len(runs))
	for i, r := range runs {
		parts[i] = fmt.Sprintf("records 1 to %d of run %s", len(r.Records), r.Run)
	}
	return strings.Join(parts, ", ") + " can be salvaged"
}

func blobOrNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
