package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// RedactJSON is Redact for a JSON document: it takes secrets out of its texts
// and leaves it the document that it was. Keys and numbers stay, whatever
// stands in them, and so does the value of a key for which whole reports true:
// an identifier in which a secret happens to stand must not change.
func (r *Redactor) RedactJSON(doc []byte, whole func(key string) bool) []byte {
	if r.Redact(string(doc)) == string(doc) {
		return doc
	}
	var out bytes.Buffer
	w := jsonWriter{r: r, dec: json.NewDecoder(bytes.NewReader(doc)), doc: doc, out: &out, whole: whole}
	w.dec.UseNumber()
	for {
		switch err := w.value(); {
		case errors.Is(err, io.EOF):
			return append(out.Bytes(), doc[w.done:]...)
		case err != nil:
			return r.RedactBytes(doc) // it was no JSON
		}
	}
}

// jsonWriter copies a document and replaces texts in it.
type jsonWriter struct {
	r     *Redactor
	dec   *json.Decoder
	doc   []byte
	done  int64 // so much of doc is copied
	out   *bytes.Buffer
	whole func(key string) bool
}

func (w *jsonWriter) value() error {
	before := w.dec.InputOffset()
	t, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case string:
		return w.text(t, before)
	case json.Delim:
		for w.dec.More() {
			if t == '{' {
				skipped, err := w.key()
				if err != nil {
					return err
				}
				if skipped {
					continue
				}
			}
			if err := w.value(); err != nil {
				return err
			}
		}
		_, err := w.dec.Token()
		return err
	}
	return nil
}

// key reads a key, and its value too if that is to stay whole.
func (w *jsonWriter) key() (skipped bool, err error) {
	key, err := w.dec.Token()
	if err != nil || w.whole == nil {
		return false, err
	}
	if name, _ := key.(string); !w.whole(name) {
		return false, nil
	}
	var value json.RawMessage
	return true, w.dec.Decode(&value)
}

// text writes the text that has just been read, if it must change. What stands
// between it and the token before is punctuation.
func (w *jsonWriter) text(t string, before int64) error {
	safe := w.r.Redact(t)
	if safe == t {
		return nil
	}
	quoted, err := json.Marshal(safe)
	if err != nil {
		return err
	}
	begin := before + int64(bytes.IndexByte(w.doc[before:], '"'))
	w.out.Write(w.doc[w.done:begin])
	w.out.Write(quoted)
	w.done = w.dec.InputOffset()
	return nil
}
