package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
)

// readParams is a Place to read records from.
type readParams struct {
	patternParams
	Name string `param:"name" doc:"The field that takes each record's key, as a whole; none otherwise."`
}

// source reads what keys hold: JSON objects, one a key.
type source struct {
	c    *Conn
	id   string
	p    readParams
	sink *sink // whose keys they are; nil: any
}

// Source implements driver.RecordReader.
func (c *Conn) Source(ctx context.Context, place driver.Place) (driver.RecordSource, error) {
	p, err := driver.Placed[readParams](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", c, err)
	}
	id, err := c.database(ctx)
	if err != nil {
		return nil, err
	}
	return &source{c: c, id: id + "/keys/" + escape(p.Pattern), p: p}, nil
}

// Kept implements driver.RecordKeeper.
func (c *Conn) Kept(ctx context.Context, place driver.Place) (driver.RecordSource, error) {
	to, err := c.Sink(ctx, place, driver.Shape{})
	if err != nil {
		return nil, err
	}
	s := to.(*sink) //nolint:forcetypeassert // of our own
	var pattern strings.Builder
	for i, part := range inBraces.Split(s.p.Key, -1) {
		if i > 0 {
			pattern.WriteByte('*')
		}
		pattern.WriteString(special.Replace(part))
	}
	return &source{c: c, id: s.Resource().ID, p: readParams{patternParams: patternParams{Pattern: pattern.String()}}, sink: s}, nil
}

// special has what means something in a pattern stand for itself.
var special = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

// ID implements driver.RecordSource.
func (s *source) ID() string { return s.id }

// Close implements driver.RecordSource.
func (s *source) Close() error { return nil }

// Count implements driver.RecordSource: to count the keys is to scan them.
func (s *source) Count(context.Context) (n int64, known bool, err error) { return 0, false, nil }

// Read implements driver.RecordSource. SCAN has no place to go on from later.
func (s *source) Read(ctx context.Context, _ driver.Position, _ int, take func(driver.Page) error) error {
	return s.c.scan(ctx, s.p.patternParams, func(keys []string, _ []int64) error {
		var values []any
		began := time.Now()
		err := s.c.ask(ctx, func(ctx context.Context) (err error) {
			values, err = s.c.client.MGet(ctx, keys...).Result()
			return err
		})
		if err != nil {
			return fmt.Errorf("read %d keys: %w", len(keys), err)
		}
		page := driver.Page{Took: time.Since(began)}
		for i, v := range values {
			if v == nil { // it expired just now, or is no text: those are told
				bad, err := s.other(ctx, keys[i])
				if err != nil {
					return err
				}
				page.Bad = append(page.Bad, bad...)
				continue
			}
			record, err := decode(v.(string)) //nolint:forcetypeassert // MGET gives texts
			if err != nil {
				page.Bad = append(page.Bad, driver.BadRecord{Record: map[string]any{"key": keys[i]}, Reason: err.Error()})
				continue
			}
			if s.sink != nil && s.sink.key(record) != keys[i] {
				page.Bad = append(page.Bad, driver.BadRecord{Record: record, Reason: "it is under the key " + keys[i] + ", and would be written to " + s.sink.key(record)})
				continue
			}
			if s.p.Name != "" {
				record[s.p.Name] = keys[i]
			}
			page.Records = append(page.Records, record)
		}
		return take(page)
	})
}

// other tells of a key that MGET has no value of.
func (s *source) other(ctx context.Context, key string) ([]driver.BadRecord, error) {
	var is string
	err := s.c.ask(ctx, func(ctx context.Context) (err error) {
		is, err = s.c.client.Type(ctx, key).Result()
		return err
	})
	if err != nil || is == "none" || is == "string" {
		return nil, err
	}
	return []driver.BadRecord{{Record: map[string]any{"key": key}, Reason: "it is a " + is + ", not a text of JSON"}}, nil
}

func decode(text string) (driver.Record, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var r driver.Record
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if r == nil || dec.More() {
		return nil, errors.New("it is no JSON object")
	}
	return r, nil
}
