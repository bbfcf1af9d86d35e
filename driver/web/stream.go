package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cenkalti/backoff/v5"
)

// stream reads one JSON answer and hands each element of the list at a path
// (keys, separated by dots; "" for the answer itself) to each as it comes, so
// that an answer of any length takes little memory. values are other paths, and
// where to put what is there. Numbers stay as they are written.
func stream(body io.Reader, items string, each func(any) error, values map[string]*any) error {
	dec := json.NewDecoder(body)
	dec.UseNumber()
	s := &streamed{dec: dec, items: items, each: each, values: values}
	err := s.value("")
	if _, ours := errors.AsType[takeError](err); ours {
		return backoff.Permanent(err)
	}
	wrong, syntax := errors.AsType[*json.SyntaxError](err)
	switch {
	case syntax: // an answer that breaks off is another error, and asked for again
		return backoff.Permanent(fmt.Errorf("the answer is no JSON: %w at byte %d", wrong, wrong.Offset))
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case !s.found:
		return backoff.Permanent(fmt.Errorf("the answer has no list at %q", items))
	}
	return nil
}

// fields reads values of one JSON answer by their paths.
func fields(body io.Reader, values map[string]*any) error {
	dec := json.NewDecoder(body)
	dec.UseNumber()
	delete(values, "") // the answer itself is not asked for
	if err := (&streamed{dec: dec, values: values, found: true}).value(""); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

type streamed struct {
	dec    *json.Decoder
	items  string
	each   func(any) error
	values map[string]*any
	found  bool
}

// value reads the value at a path.
func (s *streamed) value(path string) error {
	if path == s.items && !s.found {
		s.found = true
		return s.list()
	}
	if !s.within(path) {
		var skipped json.RawMessage
		into, wanted := s.values[path]
		if !wanted || path == "" {
			return s.dec.Decode(&skipped)
		}
		return s.dec.Decode(into)
	}
	t, err := s.dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return backoff.Permanent(fmt.Errorf("the answer has no object at %q", path))
	}
	for s.dec.More() {
		key, err := s.dec.Token()
		if err != nil {
			return err
		}
		if err := s.value(strings.TrimPrefix(path+"."+key.(string), ".")); err != nil { //nolint:forcetypeassert // keys are text
			return err
		}
	}
	_, err = s.dec.Token()
	return err
}

// within reports whether something that is looked for lies below a path.
func (s *streamed) within(path string) bool {
	if path == "" {
		return true
	}
	if strings.HasPrefix(s.items, path+".") {
		return true
	}
	for p := range s.values {
		if strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

func (s *streamed) list() error {
	t, err := s.dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return backoff.Permanent(fmt.Errorf("the answer has no list at %q", s.items))
	}
	for s.dec.More() {
		var v any
		if err := s.dec.Decode(&v); err != nil {
			return err
		}
		if err := s.each(v); err != nil {
			return err
		}
	}
	_, err = s.dec.Token()
	return err
}

// kindOf names a value of JSON.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}
