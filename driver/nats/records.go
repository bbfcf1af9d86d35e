package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// recordsRead is a Place to read records from.
type recordsRead struct {
	Bucket string `param:"bucket,required" doc:"The key-value bucket; it holds a JSON object under each key."`
	Keys   string `param:"keys" doc:"Which keys, as in robot.>." default:">"`
	Name   string `param:"name" doc:"The field that takes each record's key, as a whole; none otherwise."`
}

// recordsPage is how many records one page has where the runbook does not say.
const recordsPage = 500

type bucketSource struct {
	c    *Conn
	kv   jetstream.KeyValue
	p    recordsRead
	sink *bucketSink // whose keys they are; nil: any
}

// Source implements driver.RecordReader.
func (c *Conn) Source(ctx context.Context, place driver.Place) (driver.RecordSource, error) {
	p, err := driver.Placed[recordsRead](place)
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", c, err)
	}
	kv, err := c.bucket(ctx, p.Bucket)
	if err != nil {
		return nil, err
	}
	if p.Keys == "" {
		p.Keys = ">"
	}
	return &bucketSource{c: c, kv: kv, p: p}, nil
}

// Kept implements driver.RecordKeeper.
func (c *Conn) Kept(ctx context.Context, place driver.Place) (driver.RecordSource, error) {
	to, err := c.Sink(ctx, place, driver.Shape{})
	if err != nil {
		return nil, err
	}
	s := to.(*bucketSink) //nolint:forcetypeassert // of our own
	return &bucketSource{c: c, kv: s.kv, p: recordsRead{Bucket: s.p.Bucket, Keys: s.keys()}, sink: s}, nil
}

func (c *Conn) bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, &driver.Refusal{System: c.String(), Reason: "there is no key-value bucket " + name, Remedy: "create it first"}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: bucket %s: %w", c, name, err)
	}
	return kv, nil
}

func (c *Conn) bucketID(bucket string) string { return c.streamID("KV_" + bucket) }

// ID implements driver.RecordSource.
func (s *bucketSource) ID() string { return s.c.bucketID(s.p.Bucket) }

// Close implements driver.RecordSource.
func (s *bucketSource) Close() error { return nil }

// Count implements driver.RecordSource: the bucket counts deletions too.
func (s *bucketSource) Count(context.Context) (n int64, known bool, err error) { return 0, false, nil }

// Read implements driver.RecordSource. The bucket is read as it is now, from its
// beginning.
func (s *bucketSource) Read(ctx context.Context, _ driver.Position, size int, take func(driver.Page) error) error {
	if size <= 0 {
		size = recordsPage
	}
	w, err := s.kv.Watch(ctx, s.p.Keys, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("%s: read bucket %s: %w", s.c, s.p.Bucket, err)
	}
	defer w.Stop() //nolint:errcheck // nobody listens any more
	var page driver.Page
	const patience = 30 * time.Second
	silence := time.NewTimer(patience)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silence.C:
			return fmt.Errorf("%s: bucket %s says nothing for %s", s.c, s.p.Bucket, patience)
		case entry, open := <-w.Updates():
			switch {
			case !open:
				return fmt.Errorf("%s: reading bucket %s was cut off", s.c, s.p.Bucket)
			case entry == nil: // that was all
				return take(page)
			}
			silence.Reset(patience)
			s.add(&page, entry)
		}
		if len(page.Records)+len(page.Bad) >= size {
			if err := take(page); err != nil {
				return err
			}
			page = driver.Page{}
			silence.Reset(patience)
		}
	}
}

func (s *bucketSource) add(page *driver.Page, entry jetstream.KeyValueEntry) {
	if s.sink != nil && !s.sink.mayWrite(entry.Key()) {
		return // of somebody else
	}
	r, err := recordOf(entry.Value())
	if err != nil {
		page.Bad = append(page.Bad, driver.BadRecord{Record: map[string]any{"key": entry.Key()}, Reason: err.Error()})
		return
	}
	if s.sink != nil {
		if key, _ := s.sink.key(r); key != entry.Key() {
			page.Bad = append(page.Bad, driver.BadRecord{Record: r, Reason: "it is under the key " + entry.Key() + ", and would be written to " + key})
			return
		}
	}
	if s.p.Name != "" {
		r[s.p.Name] = entry.Key()
	}
	page.Records = append(page.Records, r)
}

func recordOf(value []byte) (driver.Record, error) {
	dec := json.NewDecoder(strings.NewReader(string(value)))
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
