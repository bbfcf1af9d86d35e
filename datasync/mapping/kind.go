package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// kind is what a value is to be. The zero value takes it as it is.
type kind struct {
	name string
	zone *time.Location // of times that name none
	form *atomic.Int32  // of the last time, which the next one is likely to have
	unit time.Duration  // of times that are numbers
}

var kinds = []string{"text", "int", "number", "bool", "time", "json"}

var units = map[string]time.Duration{"s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}

func kindOf(name, zone, unit string) (kind, error) {
	k := kind{name: name, zone: time.UTC, unit: time.Second, form: &atomic.Int32{}}
	if name != "" && !slices.Contains(kinds, name) {
		return k, fmt.Errorf("as cannot be %s: there are %s", name, strings.Join(kinds, ", "))
	}
	if name != "time" && (zone != "" || unit != "") {
		return k, fmt.Errorf("zone and unit are of times: write as: time")
	}
	if zone != "" {
		var err error
		if k.zone, err = time.LoadLocation(zone); err != nil {
			return k, fmt.Errorf("zone: there is no %s", zone)
		}
	}
	if unit != "" {
		var ok bool
		if k.unit, ok = units[unit]; !ok {
			return k, fmt.Errorf("unit cannot be %s: there are s, ms, us, ns", unit)
		}
	}
	return k, nil
}

// convert makes a value what it is to be. An empty text stays one.
func (k kind) convert(v any) (any, error) {
	if v == "" || k.name == "" {
		return v, nil
	}
	switch k.name {
	case "text":
		switch v := v.(type) {
		case string, json.Number, int64, uint64, float64, bool:
			return plainText(v), nil
		case time.Time:
			return v.UTC().Format(time.RFC3339Nano), nil
		}
	case "int":
		if n, err := strconv.ParseInt(strings.TrimSpace(plainText(v)), 10, 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(plainText(v), 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
	case "number":
		text := strings.TrimSpace(plainText(v))
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && json.Valid([]byte(text)) {
			return json.Number(text), nil // with all its digits
		}
	case "bool":
		switch strings.ToLower(strings.TrimSpace(plainText(v))) {
		case "true", "t", "yes", "on", "1":
			return true, nil
		case "false", "f", "no", "off", "0":
			return false, nil
		}
	case "time":
		if t, ok := k.time(v); ok {
			return t, nil
		}
	case "json":
		text, ok := v.(string)
		if !ok {
			return v, nil
		}
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var out any
		if err := dec.Decode(&out); err == nil && !dec.More() {
			return out, nil
		}
	}
	return nil, fmt.Errorf("is %s, which is no %s", show(v), k.name)
}

// timeForms are those of ISO 8601 that systems use. Go takes a fraction of a
// second with each.
var timeForms = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05",
	"2006-01-02T15:04:05Z0700", "2006-01-02T15:04", time.DateOnly,
}

func (k kind) time(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC(), true
	case json.Number, int64, float64:
		text := plainText(v)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			t := time.Unix(0, 0).UTC()
			perSecond := int64(time.Second / k.unit)
			t = t.Add(time.Duration(n%perSecond) * k.unit)
			return time.Unix(t.Unix()+n/perSecond, int64(t.Nanosecond())).UTC(), true
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(f) > 1<<53 {
			return time.Time{}, false
		}
		whole, part := math.Modf(f * float64(k.unit) / float64(time.Second))
		return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
	case string:
		text, likely := strings.TrimSpace(v), int(k.form.Load())
		for i := range timeForms {
			i = (i + likely) % len(timeForms)
			t, err := time.ParseInLocation(timeForms[i], text, k.zone)
			if t = t.UTC(); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
				k.form.Store(int32(i)) //nolint:gosec // one of a few
				return t, true
			}
		}
	}
	return time.Time{}, false
}
