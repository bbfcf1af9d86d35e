package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/itchyny/gojq"
)

// An Answer is what came back for a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Failed says why there was no answer; "" when there was one.
	Failed string
}

// A Document is an answer that can be compared: what is JSON is in the new
// shape.
type Document struct {
	answer Answer
	body   any
	isJSON bool
	wrong  string // why the JSON could not be brought into the new shape
}

// Legacy reads an answer of the old system.
func (c *Comparer) Legacy(a Answer) Document {
	d := read(a, c.legacyAs)
	if d.isJSON && d.wrong == "" && (len(c.rules.Rename) > 0 || len(c.rules.Values) > 0) {
		d.body = translate(d.body, c.old, c.root)
	}
	return d
}

// New reads an answer of the new system.
func (c *Comparer) New(a Answer) Document { return read(a, c.newAs) }

// read parses what is JSON.
func read(a Answer, as *gojq.Code) Document {
	d := Document{answer: a}
	if a.Failed != "" || len(bytes.TrimSpace(a.Body)) == 0 {
		return d
	}
	body, err := Parse(a.Body)
	if err != nil {
		return d
	}
	d.body = body
	d.isJSON = true
	if as == nil || a.Status >= 300 { // an error has a shape of its own
		return d
	}
	if d.body, err = reshape(as, d.body); err != nil {
		d.wrong = err.Error()
	}
	return d
}

// Parse reads JSON and keeps numbers as they are written.
func Parse(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after the JSON")
	}
	return v, nil
}

// reshapeMost bounds a program that does not end.
const reshapeMost = 5 * time.Second

// reshape runs a program of jq, which must give one value.
func reshape(as *gojq.Code, body any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), reshapeMost)
	defer cancel()
	results := as.RunWithContext(ctx, body)
	v, ok := results.Next()
	if !ok {
		return nil, errors.New("the jq program gives nothing")
	}
	if err, ok := v.(error); ok {
		return nil, fmt.Errorf("the jq program fails: %w", err)
	}
	if _, more := results.Next(); more {
		return nil, errors.New("the jq program gives several values")
	}
	return v, nil
}

// translate gives members and words their new names.
func translate(v any, old, fresh *field) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, m := range v {
			o := old.member(name)
			if o.rename == "" {
				out[name] = translate(m, o, fresh.member(name))
			}
		}
		for name, m := range v { // a new name wins over one that was there
			if o := old.member(name); o.rename != "" {
				out[o.rename] = translate(m, o, fresh.member(o.rename))
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = translate(v[i], old.item(), fresh.item())
		}
		return out
	case string:
		if to, ok := fresh.words[v]; ok {
			return to
		}
	}
	return v
}
