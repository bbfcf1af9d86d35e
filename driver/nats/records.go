package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
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
