package runbook

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The forms of values with units, as the JSON Schema gives them.
const (
	durationPattern   = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$`
	sizePattern       = `^[0-9]+(\.[0-9]+)?\s?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$`
	percentagePattern = `^[0-9]+(\.[0-9]+)?\s?%$`
)

var (
	durationForm   = regexp.MustCompile(durationPattern)
	durationPart   = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)`)
	sizeForm       = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$`)
	percentageForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s?%$`)
	bareNumber     = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
)

const (
	durationHelp   = "write a number and a unit (ms, s, m, h, d, w), as in 90s, 15m, 48h, 14d or 1h30m"
	sizeHelp       = "write a number and a unit (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB), as in 512KiB or 2GB"
	percentageHelp = "write a number and %, as in 10% or 0.1 %"
)

// A formError says what is wrong with a value as written, and its right form.
type formError struct{ problem, remedy string }

func (e *formError) Error() string { return e.problem + "; " + e.remedy }

func unitError(text, what, help string) error {
	if bareNumber.MatchString(text) {
		return &formError{text + " has no unit", help}
	}
	return &formError{fmt.Sprintf("%s is not a %s", quote(text), what), help}
}

// ParseDuration reads 90s, 15m, 48h, 14d, 1h30m, 2w, 250ms. A unit is never
// left out; a day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	if len(text) > maxName || !durationForm.MatchString(text) {
		return 0, unitError(text, "duration", durationHelp)
	}
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute,
		"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}
	tooLong := &formError{text + " is longer than a hundred years", "write a shorter duration"}
	const most = 100 * 365 * 24 * time.Hour
	var total time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0, unitError(text, "duration", durationHelp)
		}
		d := math.Round(n * float64(units[part[2]]))
		if d > float64(most) {
			return 0, tooLong
		}
		if total += time.Duration(d); total > most {
			return 0, tooLong
		}
	}
	return total, nil
}

// FormatDuration writes a duration as a runbook would: 1h30m, 14d, 250ms.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.unit
		}
	}
	if d > 0 {
		b.WriteString(strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms")
	}
	return b.String()
}

// ParseSize reads 512KiB, 2GB, 100B: KB is 1000 bytes, KiB is 1024.
func ParseSize(text string) (Bytes, error) {
	m := sizeForm.FindStringSubmatch(text)
	if m == nil || len(text) > maxName {
		return 0, unitError(text, "size", sizeHelp)
	}
	units := map[string]float64{
		"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, unitError(text, "size", sizeHelp)
	}
	total := n * units[m[2]]
	if total > 1<<60 {
		return 0, &formError{text + " is too large", "write at most 1000000TiB"}
	}
	if total != math.Trunc(total) {
		return 0, &formError{text + " is not a whole number of bytes", sizeHelp}
	}
	return Bytes(total), nil
}

// ParsePercentage reads 10% and 0.1 %.
func ParsePercentage(text string) (Percent, error) {
	m := percentageForm.FindStringSubmatch(text)
	if m == nil || len(text) > maxName {
		return 0, unitError(text, "percentage", percentageHelp)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, unitError(text, "percentage", percentageHelp)
	}
	return Percent(n), nil
}

var (
	intForm   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)$`)
	floatForm = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

func parseInt(text string) (int64, error) {
	if !intForm.MatchString(text) {
		return 0, &formError{quote(text) + " is not a whole number", "write one, as in 3"}
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 0, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, &formError{text + " is too large for a whole number", "write one between -2^63 and 2^63-1"}
	}
	if err != nil {
		return 0, &formError{quote(text) + " is not a whole number", "write one, as in 3"}
	}
	return n, nil
}

func parseNumber(text string) (float64, error) {
	if intForm.MatchString(text) {
		if n, err := parseInt(text); err == nil {
			return float64(n), nil
		}
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || !floatForm.MatchString(text) || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, &formError{quote(text) + " is not a number", "write one, as in 3 or 0.25"}
	}
	return n, nil
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return false, &formError{quote(text) + " is not a bool", "write true or false"}
}

// quote shows a text in an error, shortened.
func quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}
