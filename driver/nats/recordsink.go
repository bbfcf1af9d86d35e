package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// recordsWrite is a Place to write records to.
type recordsWrite struct {
	Bucket string `param:"bucket,required" doc:"The key-value bucket."`
	Key    string `param:"key,required" doc:"The key of a record, with its fields in braces, as in robot.{id}."`
}

var inBraces = regexp.MustCompile(`\{([^{}]+)\}`)

// Validate implements what types cannot say.
func (p recordsWrite) Validate() error {
	if !inBraces.MatchString(p.Key) {
		return &runbook.FieldError{Field: "key", Problem: "all records would be one", Remedy: "name a field in braces, as in robot.{id}"}
	}
	return nil
}

type bucketSink struct {
	c     *Conn
	kv    jetstream.KeyValue
	p     recordsWrite
	shape driver.Shape
}

// Sink implements driver.RecordWriter.
func (c *Conn) Sink(ctx context.Context, place driver.Place, shape driver.Shape) (driver.RecordSink, error) {
	p, err := driver.Placed[recordsWrite](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", c, err)
	}
	kv, err := c.bucket(ctx, p.Bucket)
	if err != nil {
		return nil, err
	}
	return &bucketSink{c, kv, p, shape}, nil
}

// Resource implements driver.RecordSink.
func (s *bucketSink) Resource() driver.Resource {
	return driver.Resource{ID: s.c.bucketID(s.p.Bucket), Name: "bucket " + s.p.Bucket + " of " + s.c.String()}
}

// Close implements driver.RecordSink.
func (s *bucketSink) Close() error { return nil }

// keyForm is what a key may be.
var keyForm = regexp.MustCompile(`^[-/_=.a-zA-Z0-9]+$`)

func (s *bucketSink) key(r driver.Record) (string, bool) {
	key := inBraces.ReplaceAllStringFunc(s.p.Key, func(m string) string { return fmt.Sprint(r[m[1:len(m)-1]]) })
	return key, keyForm.MatchString(key) && !strings.HasPrefix(key, ".") && !strings.HasSuffix(key, ".")
}

// mayWrite reports whether a key looks like those of records.
func (s *bucketSink) mayWrite(key string) bool {
	parts := inBraces.Split(s.p.Key, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	ok, err := regexp.MatchString("^"+strings.Join(parts, ".+")+"$", key)
	return err == nil && ok
}

// keys are a subject that takes in every key that a record may have: a field may
// be a part of a token, or hold dots.
func (s *bucketSink) keys() string {
	fixed, _, _ := strings.Cut(s.p.Key, "{")
	dot := strings.LastIndexByte(fixed, '.')
	return fixed[:dot+1] + ">"
}

// Write implements driver.RecordSink: what is there is looked at, and taken the
// place of if it is older, at the revision that was looked at.
func (s *bucketSink) Write(ctx context.Context, mine func() error, batch driver.Batch) (driver.Written, error) {
	out := driver.Written{Refused: map[int]driver.BadRecord{}}
	for i, r := range batch.Records {
		key, ok := s.key(r)
		_, err := json.Marshal(r)
		switch {
		case !ok:
			out.Refused[i] = driver.BadRecord{Record: r, Field: "key", Reason: fmt.Sprintf("%q can be no key: it may have letters, digits and -/_=.", key)}
			continue
		case err != nil:
			out.Refused[i] = driver.BadRecord{Record: r, Reason: err.Error()}
			continue
		}
		changed, err := s.put(ctx, mine, key, r)
		if err != nil {
			return out, fmt.Errorf("%s: write %s to bucket %s: %w", s.c, key, s.p.Bucket, err)
		}
		if changed {
			out.Changed++
		}
	}
	return out, nil
}

func (s *bucketSink) put(ctx context.Context, mine func() error, key string, r driver.Record) (changed bool, err error) {
	for {
		entry, err := s.kv.Get(ctx, key)
		there := err == nil
		if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
			return false, err
		}
		whole := driver.Record{}
		if there {
			is, err := recordOf(entry.Value())
			if err != nil {
				return false, fmt.Errorf("it is somebody else's: %w", err)
			}
			if v := s.shape.Version; v != "" && !driver.Newer(r[v], is[v]) {
				return false, nil
			}
			if s.shape.Partial {
				maps.Copy(whole, is)
			}
		}
		maps.Copy(whole, r)
		maps.DeleteFunc(whole, func(_ string, v any) bool { return v == nil })
		raw, err := json.Marshal(whole)
		if err != nil || there && string(entry.Value()) == string(raw) {
			return false, err
		}
		if err := mine(); err != nil {
			return false, err
		}
		if there {
			_, err = s.kv.Update(ctx, key, raw, entry.Revision())
		} else {
			_, err = s.kv.Create(ctx, key, raw)
		}
		if !errors.Is(err, jetstream.ErrKeyExists) { // somebody else was quicker
			return err == nil, err
		}
	}
}

// Delete implements driver.RecordSink.
func (s *bucketSink) Delete(ctx context.Context, mine func() error, keys []driver.Record) (deleted int64, err error) {
	for _, r := range keys {
		key, ok := s.key(r)
		if !ok {
			continue // none such can be there
		}
		gone, err := s.remove(ctx, mine, key, r)
		if err != nil {
			return deleted, fmt.Errorf("%s: delete %s from bucket %s: %w", s.c, key, s.p.Bucket, err)
		}
		if gone {
			deleted++
		}
	}
	return deleted, nil
}

func (s *bucketSink) remove(ctx context.Context, mine func() error, key string, r driver.Record) (bool, error) {
	for {
		entry, err := s.kv.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		is, err := recordOf(entry.Value())
		if err != nil {
			return false, fmt.Errorf("it is somebody else's: %w", err)
		}
		if v := s.shape.Version; v != "" && r[v] != nil && driver.Newer(is[v], r[v]) {
			return false, nil
		}
		if err := mine(); err != nil {
			return false, err
		}
		if err = s.kv.Delete(ctx, key, jetstream.LastRevision(entry.Revision())); !errors.Is(err, jetstream.ErrKeyExists) {
			return err == nil, err
		}
	}
}
