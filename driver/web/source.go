package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// readParams is a Place to read records from.
type readParams struct {
	Path   string `param:"path,required" doc:"What is asked, as in /robots."`
	Items  string `param:"items" doc:"Where in the answer the list of records is, as in data.robots; the answer itself is the list otherwise."`
	Next   string `param:"next" doc:"Where in the answer the next page is named: its URL, or what goes into the parameter after. There is no next page when it is missing, null or empty."`
	After  string `param:"after" doc:"The parameter of the query that takes what next names."`
	Offset string `param:"offset" doc:"The parameter of the query that takes how many records to skip, of a list that has no next."`
	Limit  string `param:"limit" doc:"The parameter of the query that takes how many records a page may have."`
	Total  string `param:"total" doc:"Where in the answer the number of all records is."`
}

// Validate implements what types cannot say.
func (p readParams) Validate() error {
	switch {
	case !strings.HasPrefix(p.Path, "/") && !strings.Contains(p.Path, "${"):
		return &runbook.FieldError{Field: "path", Problem: p.Path + " is no path", Remedy: "begin it with /"}
	case p.After != "" && p.Next == "":
		return &runbook.FieldError{Field: "after", Problem: "nothing says what goes into it", Remedy: "say with next where the answer names the next page"}
	case p.Offset != "" && p.Next != "":
		return &runbook.FieldError{Field: "offset", Problem: "pages are counted or named, not both", Remedy: "keep next or offset"}
	}
	return nil
}

// pageSize is how many records are asked for where the runbook does not say.
const pageSize = 1000

// source is a list of records over HTTP.
type source struct {
	api *API
	p   readParams
}

// Source implements driver.RecordReader.
func (a *API) Source(_ context.Context, place driver.Place) (driver.RecordSource, error) {
	p, err := driver.Placed[readParams](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", a, err)
	}
	return &source{a, p}, nil
}

// ID implements driver.RecordSource.
func (s *source) ID() string { return s.api.id(s.p.Path) }

// Close implements driver.RecordSource.
func (s *source) Close() error { return nil }

// Read implements driver.RecordSource.
func (s *source) Read(ctx context.Context, after driver.Position, size int, take func(driver.Page) error) error {
	if size <= 0 {
		size = pageSize
	}
	for seen := map[string]bool{}; ; {
		var got answer
		if err := s.ask(ctx, after, size, take, &got); err != nil {
			return err
		}
		if got.last.Next == nil {
			return take(got.last)
		}
		next := string(got.last.Next)
		if seen[next] {
			return fmt.Errorf("%s names the page %s again: its pages have no end", s.ID(), next)
		}
		seen[next] = true
		if err := take(got.last); err != nil {
			return err
		}
		after = got.last.Next
	}
}

// Count implements driver.RecordSource.
func (s *source) Count(ctx context.Context) (n int64, known bool, err error) {
	if s.p.Total == "" {
		return 0, false, nil
	}
	var got answer
	if err := s.ask(ctx, nil, 1, func(driver.Page) error { return nil }, &got); err != nil {
		return 0, false, err
	}
	n, err = strconv.ParseInt(fmt.Sprint(got.total), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("%s: %s is %v, no whole number", s.ID(), s.p.Total, got.total)
	}
	return n, true, nil
}

// An answer is what one request gave.
type answer struct {
	last  driver.Page // that was not handed over yet, with the position after it
	total any
}

// ask asks for one page, and hands over all of it but the last records: what
// follows them is known only at the answer's end.
func (s *source) ask(ctx context.Context, after driver.Position, size int, take func(driver.Page) error, got *answer) error {
	path, skip, err := s.path(after, size)
	if err != nil {
		return err
	}
	began := time.Now()
	return s.api.do(ctx, nil, "GET", path, nil, func(body io.Reader) error {
		*got = answer{}
		page, n := driver.Page{Took: time.Since(began)}, 0
		var next any
		err := stream(body, s.p.Items, func(v any) error {
			if len(page.Records)+len(page.Bad) >= size {
				if err := take(page); err != nil {
					return takeError{err}
				}
				page = driver.Page{}
			}
			n++
			if record, ok := v.(map[string]any); ok {
				page.Records = append(page.Records, record)
			} else {
				page.Bad = append(page.Bad, driver.BadRecord{Record: v, Reason: fmt.Sprintf("it is %s, not an object", kindOf(v))})
			}
			return nil
		}, map[string]*any{s.p.Next: &next, s.p.Total: &got.total})
		if err != nil {
			return err
		}
		switch {
		case s.p.Offset != "" && n > 0:
			page.Next = driver.Position(strconv.Itoa(skip + n))
		case s.p.Next != "" && !none(next):
			if page.Next, err = s.position(path, next); err != nil {
				return err
			}
		}
		got.last = page
		return nil
	})
}

// path is what to ask for after a position, and how many records are before it.
func (s *source) path(after driver.Position, size int) (path string, skip int, err error) {
	u, err := url.Parse(s.p.Path)
	if err != nil {
		return "", 0, errors.New("the path is none") // err repeats it, with what keys are in it
	}
	query := u.Query()
	if s.p.Limit != "" {
		query.Set(s.p.Limit, strconv.Itoa(size))
	}
	if after != nil {
		dec := json.NewDecoder(strings.NewReader(string(after)))
		dec.UseNumber()
		var at any
		if err := dec.Decode(&at); err != nil {
			return "", 0, fmt.Errorf("the position %s is none: %w", after, err)
		}
		text := fmt.Sprint(at)
		switch {
		case s.p.Offset != "":
			if skip, err = strconv.Atoi(text); err != nil {
				return "", 0, fmt.Errorf("the position %s is no number of records", after)
			}
			query.Set(s.p.Offset, text)
		case s.p.After != "":
			query.Set(s.p.After, text)
		default: // a URL, as the server wants it
			return text, 0, nil
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), skip, nil
}

// position is what the answer to path names as the next page.
func (s *source) position(path string, next any) (driver.Position, error) {
	if text, ok := next.(string); ok && s.p.After == "" { // a URL, perhaps a relative one
		from, err := s.api.resolve(path)
		if err != nil {
			return nil, err
		}
		to, err := from.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("the next page is no URL, at %q", s.p.Next)
		}
		next = to.String()
	}
	return json.Marshal(next)
}

// none reports whether a value names no next page.
func none(v any) bool { return v == nil || v == "" || v == false }
