package robot

import "fmt"

// InvalidError says which field of a record cannot be taken, and what would be
// right. Such a record will never be right, however often it is sent.
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
