package robot

import (
	"encoding/json"
	"fmt"
	"time"
)

// Time is a moment in a record: ISO 8601, and UTC where no zone is given. It is
// kept to the microsecond, as PostgreSQL does, so that what comes back from
// there is equal.
type Time struct{ time.Time }

// At is t as a record has it.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// The forms that robots use. Go takes a fraction of a second with each.
var timeForms = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04", time.DateOnly,
}

// ParseTime reads one.
func ParseTime(text string) (Time, error) {
	for _, form := range timeForms {
		t, err := time.Parse(form, text)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
			break
		}
		return At(t), nil
	}
	return Time{}, fmt.Errorf("%q is no time in ISO 8601, as in 2025-01-29T10:00:00Z", text)
}

// UnmarshalJSON takes null and "" for no time.
func (t *Time) UnmarshalJSON(raw []byte) error {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err //nolint:wrapcheck // the decoder adds the field
	}
	if text == nil || *text == "" {
		*t = Time{}
		return nil
	}
	parsed, err := ParseTime(*text)
	if err != nil {
		return invalid("last_seen", "is no time: %v", err)
	}
	*t = parsed
	return nil
}
