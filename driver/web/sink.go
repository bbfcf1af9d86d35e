package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// writeParams is a Place to write records to.
type writeParams struct {
	Path     string `param:"path,required" doc:"Where records are posted, as in /import. The server must leave what it has that is newer, and bear to be sent a record twice."`
	Body     string `param:"body" doc:"The key of the list of records in what is posted; the list itself is posted otherwise."`
	Total    string `param:"total" doc:"The key, beside body, for how many records the source has."`
	Rejected string `param:"rejected" doc:"Where in the answer the records are that the server does not take: a list of objects with index (from 0) and error, and field if one is to blame."`
	Changed  string `param:"changed" doc:"Where in the answer the number of records is that it took over."`
	Delete   string `param:"delete" doc:"The path that deletes one record, with its key's fields in braces, as in /robots/{id}."`
	Method   string `param:"method" enum:"POST|PUT|PATCH" doc:"How they are sent." default:"POST"`
}

// Validate implements what types cannot say.
func (p writeParams) Validate() error {
	for field, path := range map[string]string{"path": p.Path, "delete": p.Delete} {
		if (path != "" || field == "path") && !strings.HasPrefix(path, "/") && !strings.Contains(path, "${") {
			return &runbook.FieldError{Field: field, Problem: path + " is no path", Remedy: "begin it with /"}
		}
	}
	if p.Total != "" && p.Body == "" {
		return &runbook.FieldError{Field: "total", Problem: "there is nothing beside a bare list", Remedy: "say with body under which key the records are"}
	}
	return nil
}

// sink posts records.
type sink struct {
	api *API
	p   writeParams
}

// Sink implements driver.RecordWriter.
func (a *API) Sink(_ context.Context, place driver.Place, _ driver.Shape) (driver.RecordSink, error) {
	p, err := driver.Placed[writeParams](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", a, err)
	}
	if p.Method == "" {
		p.Method = http.MethodPost
	}
	return &sink{a, p}, nil
}

// Resource implements driver.RecordSink.
func (s *sink) Resource() driver.Resource {
	return driver.Resource{ID: s.api.id(s.p.Path), Name: "records at " + s.api.String() + s.p.Path}
}

// Close implements driver.RecordSink.
func (s *sink) Close() error { return nil }

// Write implements driver.RecordSink.
func (s *sink) Write(ctx context.Context, mine func() error, batch driver.Batch) (driver.Written, error) {
	out := driver.Written{Refused: map[int]driver.BadRecord{}}
	if len(batch.Records) == 0 {
		return out, nil
	}
	got, err := s.post(ctx, mine, batch)
	if refused, ok := errors.AsType[*statusError](err); ok && blames(refused.status) {
		return s.without(ctx, mine, batch, refused)
	}
	if err != nil {
		return out, err
	}
	for _, r := range got.rejected {
		if r.Index < 0 || r.Index >= len(batch.Records) {
			return out, fmt.Errorf("%s rejects record %d of %d: there is none", s.Resource().Name, r.Index, len(batch.Records))
		}
		out.Refused[r.Index] = driver.BadRecord{Record: batch.Records[r.Index], Field: r.Field, Reason: r.Error}
	}
	out.Changed = int64(len(batch.Records) - len(out.Refused))
	if s.p.Changed != "" {
		out.Changed = got.changed
	}
	return out, nil
}

// blames reports whether a status says that a body is wrong, and not who sends
// it or where to.
func blames(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status == http.StatusRequestEntityTooLarge || status == http.StatusConflict
}

// without writes a batch that was refused whole in halves, to find the records
// that are to blame.
func (s *sink) without(ctx context.Context, mine func() error, batch driver.Batch, why *statusError) (driver.Written, error) {
	n := len(batch.Records)
	out := driver.Written{Refused: map[int]driver.BadRecord{}}
	if n == 1 {
		out.Refused[0] = driver.BadRecord{Record: batch.Records[0], Reason: why.Error()}
		return out, nil
	}
	for _, half := range [][2]int{{0, n / 2}, {n / 2, n}} {
		got, err := s.Write(ctx, mine, driver.Batch{Records: batch.Records[half[0]:half[1]], Of: batch.Of})
		if err != nil {
			return out, err
		}
		out.Changed += got.Changed
		for i, bad := range got.Refused {
			out.Refused[half[0]+i] = bad
		}
	}
	return out, nil
}

type posted struct {
	changed  int64
	rejected []rejection
}

type rejection struct {
	Index int    `json:"index"`
	Field string `json:"field"`
	Error string `json:"error"`
}

func (s *sink) post(ctx context.Context, mine func() error, batch driver.Batch) (posted, error) {
	var got posted
	records := make([]driver.Record, len(batch.Records))
	for i, r := range batch.Records {
		records[i] = maps.Clone(r)
		maps.DeleteFunc(records[i], func(_ string, v any) bool { return v == nil })
	}
	var content any = records
	if s.p.Body != "" {
		object := map[string]any{s.p.Body: records}
		if s.p.Total != "" && batch.Of > 0 {
			object[s.p.Total] = batch.Of
		}
		content = object
	}
	body, err := json.Marshal(content)
	if err != nil {
		return got, fmt.Errorf("write records as JSON: %w", err)
	}
	err = s.api.do(ctx, mine, s.p.Method, s.p.Path, body, func(answer io.Reader) error {
		got = posted{}
		if s.p.Rejected == "" && s.p.Changed == "" {
			return nil
		}
		var rejected, changed any
		if err := fields(answer, map[string]*any{s.p.Rejected: &rejected, s.p.Changed: &changed}); err != nil {
			return err
		}
		return got.read(rejected, changed)
	})
	return got, err
}

// read takes what an answer says of the records.
func (p *posted) read(rejected, changed any) error {
	if rejected != nil {
		raw, err := json.Marshal(rejected)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &p.rejected); err != nil {
			return fmt.Errorf("the answer's list of rejected records: %w", err)
		}
	}
	if changed != nil {
		n, err := strconv.ParseInt(fmt.Sprint(changed), 10, 64)
		if err != nil {
			return fmt.Errorf("the answer's number of records is %v", changed)
		}
		p.changed = n
	}
	return nil
}

// Delete implements driver.RecordSink. The server cannot be told a version.
func (s *sink) Delete(ctx context.Context, mine func() error, keys []driver.Record) (deleted int64, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	if s.p.Delete == "" {
		return 0, &driver.Refusal{System: s.api.String(), Reason: "nothing says how a record is deleted there", Remedy: "write delete: /…/{id} under write"}
	}
	for _, key := range keys {
		path := s.p.Delete
		for _, field := range slices.Sorted(maps.Keys(key)) {
			path = strings.ReplaceAll(path, "{"+field+"}", url.PathEscape(fmt.Sprint(key[field])))
		}
		err := s.api.do(ctx, mine, http.MethodDelete, path, nil, func(io.Reader) error { return nil })
		if gone, ok := errors.AsType[*statusError](err); ok && (gone.status == http.StatusNotFound || gone.status == http.StatusGone) {
			continue
		}
		if err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}
