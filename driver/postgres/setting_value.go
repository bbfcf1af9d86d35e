package postgres

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A parameter is one of the server's, as pg_settings describes it.
type parameter struct {
	Name    string
	Value   string // in its unit
	Unit    string // "8kB", "ms"; "" for none
	Type    string // bool, integer, real, string, enum
	Context string // postmaster: it takes hold at a start only
	Source  string // where its value comes from
	Pending bool   // another value waits for a start
}

// units are what an amount may be told in, by the smallest of its kind.
var units = map[string]struct {
	kind string
	size float64
}{
	"B": {"memory", 1}, "kB": {"memory", 1 << 10}, "MB": {"memory", 1 << 20}, "GB": {"memory", 1 << 30}, "TB": {"memory", 1 << 40},
	"us": {"time", 1}, "ms": {"time", 1e3}, "s": {"time", 1e6}, "min": {"time", 60e6}, "h": {"time", 3600e6}, "d": {"time", 86400e6},
}

// unit splits 8kB into its number and its unit.
func unit(text string) (size float64, kind string, ok bool) {
	name := strings.TrimLeft(text, "0123456789")
	u, ok := units[name]
	n := 1.0
	if digits := strings.TrimSuffix(text, name); digits != "" {
		n, _ = strconv.ParseFloat(digits, 64) // digits are a number
	}
	return n * u.size, u.kind, ok
}

// normal is a value as pg_settings shows it, so that it can be told whether it
// is in force.
func (p parameter) normal(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch p.Type {
	case "bool":
		switch strings.ToLower(text) {
		case "on", "true", "yes", "1":
			return "on", nil
		case "off", "false", "no", "0":
			return "off", nil
		}
		return "", fmt.Errorf("%s is on or off, and no %q", p.Name, text)
	case "enum":
		return strings.ToLower(text), nil
	case "integer", "real":
		return p.amount(text)
	}
	return text, nil
}

func (p parameter) amount(text string) (string, error) {
	digits := strings.TrimRight(text, "BkMGTusmindh ")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return "", fmt.Errorf("%s is a number, and no %q", p.Name, text)
	}
	if name := strings.TrimSpace(strings.TrimPrefix(text, digits)); name != "" {
		given, kind, known := unit(name)
		base, wanted, has := unit(p.Unit)
		if !known || !has || kind != wanted {
			return "", fmt.Errorf("%s is told in %s, and no %q", p.Name, orNone(p.Unit), text)
		}
		n *= given / base
	}
	if p.Type == "integer" {
		return strconv.FormatFloat(math.RoundToEven(n), 'f', 0, 64), nil
	}
	return strconv.FormatFloat(n, 'g', -1, 64), nil
}

func orNone(unit string) string {
	if unit == "" {
		return "numbers without a unit"
	}
	return "units of " + unit
}
