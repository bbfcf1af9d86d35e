package diff

import (
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

// A tolerance is how far apart two values may be: one of the three.
type tolerance struct {
	by    *big.Rat // numbers
	share *big.Rat // of the larger of two numbers
	time  time.Duration
}

func parseTolerance(text string) (*tolerance, error) {
	text = strings.TrimSpace(text)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		r, ok := positive(strings.TrimSpace(percent))
		if !ok {
			return nil, errors.New("that is no share")
		}
		return &tolerance{share: r.Quo(r, big.NewRat(100, 1))}, nil
	}
	if r, ok := positive(text); ok {
		return &tolerance{by: r}, nil
	}
	d, err := runbook.ParseDuration(text)
	if err != nil || d < 0 {
		return nil, errors.New("that is neither a number, nor a share, nor a time")
	}
	return &tolerance{time: d}, nil
}

func positive(text string) (*big.Rat, bool) {
	if len(text) > 100 || strings.ContainsAny(text, "eE/") {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text)
	return r, ok && r.Sign() >= 0
}

// A decimal is a number as it is written, without what does not change it: the
// digits between its first and its last that is not 0, and the power of ten of
// the last one.
type decimal struct {
	negative bool
	digits   string
	exp      int64
}

// decimalOf reads a number of JSON.
func decimalOf(n json.Number) decimal {
	text, d := string(n), decimal{}
	if mantissa, exp, ok := cutExponent(text); ok {
		text, d.exp = mantissa, exp
	}
	text, d.negative = strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(text, ".")
	d.digits = whole + fraction
	d.exp -= int64(len(fraction))
	d.digits = strings.TrimLeft(d.digits, "0")
	if short := strings.TrimRight(d.digits, "0"); len(short) < len(d.digits) {
		d.exp += int64(len(d.digits) - len(short))
		d.digits = short
	}
	if d.digits == "" {
		return decimal{}
	}
	return d
}

func cutExponent(text string) (mantissa string, exp int64, ok bool) {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text, 0, false
	}
	exp, err := strconv.ParseInt(strings.TrimPrefix(text[i+1:], "+"), 10, 32)
	if err != nil { // a power that no computer counts to; it stays what it is
		exp = int64(1) << 40
		if strings.HasPrefix(text[i+1:], "-") {
			exp = -exp
		}
	}
	return text[:i], exp, true
}

// rational is nil for what would fill the memory.
func (d decimal) rational() *big.Rat {
	const most = 1000
	if d.digits == "" {
		return new(big.Rat)
	}
	if d.exp > most || d.exp < -most || len(d.digits) > most {
		return nil
	}
	i, _ := new(big.Int).SetString(d.digits, 10)
	r := new(big.Rat).SetInt(i)
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(max(d.exp, -d.exp)), nil))
	if d.exp < 0 {
		r.Quo(r, power)
	} else {
		r.Mul(r, power)
	}
	if d.negative {
		r.Neg(r)
	}
	return r
}

// numbers compares two; "" is no difference.
func numbers(a, b json.Number, within *tolerance) Kind {
	if a == b {
		return ""
	}
	x, y := decimalOf(a), decimalOf(b)
	if x == y {
		return ""
	}
	p, q := x.rational(), y.rational()
	if p == nil || q == nil {
		return Value
	}
	apart := new(big.Rat).Sub(p, q)
	apart.Abs(apart)
	if within != nil {
		bound := within.by
		if within.share != nil {
			larger := new(big.Rat).Abs(p)
			if other := new(big.Rat).Abs(q); other.Cmp(larger) > 0 {
				larger = other
			}
			bound = larger.Mul(larger, within.share)
		}
		if bound != nil && apart.Cmp(bound) <= 0 {
			return ""
		}
	}
	if rounded(x, y, apart) {
		return Rounding
	}
	return Value
}

// rounded reports whether one number is the other one with fewer decimals, up
// or down.
func rounded(x, y decimal, apart *big.Rat) bool {
	if x.exp == y.exp || x.exp >= 0 && y.exp >= 0 {
		return false
	}
	unit := decimal{digits: "1", exp: min(max(x.exp, y.exp), 0)}.rational()
	return apart.Cmp(unit) < 0
}

// layouts of times, beside those that RFC 3339 allows: without a zone, with a
// blank, with a zone without a colon.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700"}

// timeOf reads a time; what has no zone is UTC.
func timeOf(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05") || len(s) > 40 || s[4] != '-' || s[7] != '-' || s[13] != ':' {
		return time.Time{}, false
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// texts compares two; "" is no difference.
func (c *Comparer) texts(a, b string, within *tolerance) Kind {
	if a == b {
		return ""
	}
	x, ok := timeOf(a)
	if !ok {
		return Value
	}
	y, ok := timeOf(b)
	if !ok {
		return Value
	}
	most := time.Duration(0)
	if within != nil {
		most = within.time
	}
	if apart := x.Sub(y).Abs(); apart > most {
		return Time
	}
	_, p := x.Zone()
	_, q := y.Zone()
	if c.rules.StrictTimes && (p != q || zoned(a) != zoned(b)) {
		return Zone
	}
	return ""
}

// zoned reports whether a time says its zone.
func zoned(s string) bool { return strings.ContainsAny(s[len("2006-01-02"):], "Z+-") }
