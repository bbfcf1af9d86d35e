package datasync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// params are what every sync is told.
type params struct {
	From  driver.Via[driver.RecordReader] `param:"from,required" doc:"The connection that records are read from."`
	Read  driver.Place                    `param:"read,required" of:"from" doc:"Where in it they are."`
	To    driver.Via[driver.RecordWriter] `param:"to,required" doc:"The connection that records are written to."`
	Write driver.Place                    `param:"write,required" of:"to" doc:"Where in it they go."`

	Key       []string       `param:"key,required" doc:"The fields, of the records that are written, that tell them apart."`
	Version   string         `param:"version" doc:"The field, of the records that are written, that grows with each change of one: an older record never takes the place of a newer."`
	Overwrite bool           `param:"overwrite" doc:"There is no version: what is read takes the place of what is there."`
	Copy      []string       `param:"copy" doc:"Fields that are taken over as they are; \"*\" stands for all that map does not name, and is meant when neither is given."`
	Map       map[string]any `param:"map" doc:"Fields of the records that are written, each by the name of a field that is read, by {from, expr or value} with as, values, default and more, or by a list of these, of which the first that has a value counts."`
	Samples   []any          `param:"samples" doc:"Records to try the mapping on before anything runs: each has a record under given, and what becomes of it under want, or under refuse a part of the reason why nothing does."`

	Deleted string `param:"deleted,expression" vars:"record" doc:"What is true of a record, as it is read, that stands for one that was deleted: it is deleted where records are written, unless it is newer there. has(record.x) asks whether x is there."`
	Mark    string `param:"mark" doc:"The field, of the records that are written, that says where they came from in which version. The sync the other way round, with the same mark and the connections' names swapped, does not send them back."`

	SlowAbove  time.Duration `param:"slow-above" doc:"The sync pauses between pages while the source takes longer than this for one."`
	LockWaits  int           `param:"lock-waits" doc:"Nothing is read while this many sessions wait for locks in the source, a PostgreSQL database."`
	ReplicaLag time.Duration `param:"replica-lag" doc:"Nothing is read while a standby of the source, a PostgreSQL server, is this far behind. The connection's role must be a member of pg_monitor."`

	BatchSize int    `param:"batch-size" doc:"How many records are read and written at a time; as is fast otherwise."`
	Bears     int    `param:"bears" doc:"How many records that cannot be taken over are borne; with one more the step fails." default:"0"`
	Aside     string `param:"aside" doc:"The file to which records that cannot be taken over are added, a line of JSON for each, with the reason. It has what they hold: its mode is 0600."`
}

// Validate implements what types cannot say; the mapping is tried on its samples.
func (p params) Validate() error {
	var wrong []error
	fault := func(field, remedy, problem string, args ...any) {
		wrong = append(wrong, &runbook.FieldError{Field: field, Problem: fmt.Sprintf(problem, args...), Remedy: remedy})
	}
	if len(p.Key) == 0 {
		fault("key", "name the fields, as in [id]", "it is empty")
	}
	if (p.Version == "") != p.Overwrite {
		fault("version", "name the field that grows with each change of a record, or say overwrite: true",
			"either a version says which of two records is newer, or the one that is read always counts")
	}
	if p.BatchSize < 0 || p.BatchSize > maxBatch {
		fault("batch-size", fmt.Sprintf("write one from 1 to %d", maxBatch), "%d records cannot be a batch", p.BatchSize)
	}
	if p.Bears < 0 {
		fault("bears", "write how many may be left out, as in 25", "it is negative")
	}
	if p.Bears > 0 && p.Aside == "" {
		fault("bears", "say with aside to which file they go", "records that are borne must be kept somewhere")
	}
	if p.Mark != "" && p.Version == "" {
		fault("mark", "name a version", "a mark says in which version a record came over")
	}
	m, err := p.mapping()
	if err != nil {
		for _, err := range unjoined(err) {
			field := "map"
			if e, ok := errors.AsType[*mapping.Error](err); ok && slices.Contains(p.Copy, e.Field) {
				field = "copy"
			}
			fault(field, "", "%s", err.Error())
		}
		return errors.Join(wrong...)
	}
	if fields := m.Fields(); fields != nil {
		for _, name := range append(slices.Clone(p.Key), p.Version) {
			if name != "" && !slices.Contains(fields, name) {
				fault("key", "map or copy it", "the records that are written have no field %s: they have %s", name, strings.Join(fields, ", "))
			}
		}
	}
	for i, s := range p.Samples {
		if err := m.Try(s); err != nil {
			fault("samples", "mend the mapping, or what is expected of it", "sample %d: %s", i+1, err.Error())
		}
	}
	return errors.Join(wrong...)
}

// maxBatch bounds what is held in memory.
const maxBatch = 50_000

func (p params) mapping() (*mapping.Mapping, error) {
	copied := p.Copy
	if len(p.Map) == 0 && len(copied) == 0 {
		copied = []string{mapping.All}
	}
	m, err := mapping.Compile(copied, p.Map)
	if err != nil {
		return nil, err
	}
	m.Require(p.Key...)
	m.Require(p.Version)
	return m, nil
}

func (p params) shape(m *mapping.Mapping) driver.Shape {
	fields := m.Fields()
	if fields != nil && p.Mark != "" && !slices.Contains(fields, p.Mark) {
		fields = append(fields, p.Mark)
	}
	return driver.Shape{Key: p.Key, Version: p.Version, Fields: fields}
}

func unjoined(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the outermost
		return many.Unwrap()
	}
	return []error{err}
}
