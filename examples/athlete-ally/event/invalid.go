package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// InvalidError says which field of a message breaks the schema. Such a message
// will never be right, however often it is tried.
type InvalidError struct {
	Field string
	Why   string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("field %q %s", e.Field, e.Why)
}

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Why: fmt.Sprintf(format, args...)}
}

// decode reads exactly one JSON object into v and names the field that does not
// fit.
func decode(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(v); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) && wrongType.Field != "" {
			return invalid(wrongType.Field, "must be a %s, not a %s", wrongType.Type, wrongType.Value)
		}
		return invalid("body", "is not a JSON object: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("body", "has something after the JSON object")
	}
	return nil
}

const maxName = 128

func checkName(field, value string) error {
	switch {
	case value == "":
		return invalid(field, "is missing")
	case len(value) > maxName:
		return invalid(field, "is longer than %d bytes", maxName)
	}
	return nil
}

func checkDate(value string) error {
	if value == "" {
		return invalid("date", "is missing")
	}
	if _, err := time.Parse(time.DateOnly, value); err != nil {
		return invalid("date", "must be YYYY-MM-DD, not %q", value)
	}
	return nil
}
