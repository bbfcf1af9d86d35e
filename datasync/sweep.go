package datasync

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// sweeps deletes what was at the source in one pass and is not in the next one.
// It remembers what was there, in a file: what goes while nobody looks is seen
// to be gone later. The zero value deletes nothing.
type sweeps struct {
	most runbook.Percent // of the records may be gone at once
	path string
	key  []string
	was  map[string]string // by key: the key and the version, as JSON
	is   map[string]string
}

// sweepMost is how many records are remembered at most: they are in memory.
const sweepMost = 1_000_000

// errSwept: it is not known what was deleted.
var errSwept = errors.New("sweep")

// load reads what was there last.
func (s *sweeps) load() error {
	if s.most == 0 {
		return nil
	}
	s.was = map[string]string{}
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("what was there: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r, err := decoded(lines.Text())
		if err != nil {
			return fmt.Errorf("what was there, %s: %w", s.path, err)
		}
		s.was[keyOf(r, s.key)] = lines.Text()
	}
	return lines.Err()
}

// from is where a pass begins that must see all.
func (s *sweeps) from(c cursor) cursor {
	if s.most > 0 {
		return cursor{Begun: c.Begun, Aside: c.Aside, Log: c.Log}
	}
	return c
}

// begin has a pass tell what is there.
func (s *sweeps) begin(p *pump) {
	if s.most == 0 {
		return
	}
	s.is = make(map[string]string, len(s.was))
	p.keys = func(r driver.Record) {
		if raw, err := json.Marshal(p.keyed(r)); err == nil && len(s.is) <= sweepMost {
			s.is[keyOf(r, s.key)] = string(raw)
		}
	}
}

// end deletes what was there and is not any more, after a pass that saw all.
func (s *sweeps) end(ctx context.Context, p *pump) error {
	if s.most == 0 {
		return nil
	}
	if len(s.is) > sweepMost {
		return fmt.Errorf("%w: there are more than %d records: mark those that are deleted, and name the mark with deleted", errSwept, sweepMost)
	}
	var gone []driver.Record
	for _, key := range slices.Sorted(maps.Keys(s.was)) {
		if _, there := s.is[key]; there {
			continue
		}
		if p.cursor.Bad > 0 { // it may be one of those that could not be read
			s.is[key] = s.was[key]
			continue
		}
		r, err := decoded(s.was[key])
		if err != nil {
			return fmt.Errorf("what was there: %w", err)
		}
		gone = append(gone, r)
	}
	if most := int(math.Ceil(float64(len(s.was)) * float64(s.most) / 100)); len(gone) > most {
		return fmt.Errorf("%w: %d of %d records are gone at once, and at most %d (%v%%) may be: if they were deleted on purpose, delete %s and they stay where they were brought to",
			errSwept, len(gone), len(s.was), most, float64(s.most), s.path)
	}
	deleted, err := p.sink.Delete(ctx, p.effect.Mine, gone)
	if err != nil {
		return err
	}
	p.cursor.Deleted += deleted
	if len(gone) > 0 || len(s.is) != len(s.was) || !maps.Equal(s.is, s.was) {
		if err := s.remember(); err != nil {
			return err
		}
	}
	s.was = s.is
	return nil
}

// decoded is what was remembered of a record.
func decoded(text string) (r driver.Record, err error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&r)
	return r, err
}

func (s *sweeps) remember() error {
	var text []byte
	for _, key := range slices.Sorted(maps.Keys(s.is)) {
		text = append(append(text, s.is[key]...), '\n')
	}
	if err := renameio.WriteFile(s.path, text, 0o600); err != nil {
		return fmt.Errorf("remember what is there: %w", err)
	}
	return nil
}
