package report

import (
	"fmt"
	"strconv"
	"time"
)

// A Span is a length of time: seconds with three decimals in JSON, short words
// for people.
type Span time.Duration

// MarshalJSON gives seconds.
func (s Span) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(time.Duration(s).Round(time.Millisecond).Seconds(), 'f', -1, 64)), nil
}

// UnmarshalJSON takes seconds back.
func (s *Span) UnmarshalJSON(raw []byte) error {
	sec, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return fmt.Errorf("a span of time: %w", err)
	}
	*s = Span(time.Duration(sec*1000+0.5) * time.Millisecond)
	return nil
}

// String is the span as people say it, with no more figures than matter.
func (s Span) String() string {
	d := time.Duration(s)
	switch {
	case d < 0:
		return "-" + Span(-d).String()
	case d == 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return pair(int(d.Minutes()), "m", int(d.Seconds())%60, "s")
	case d < 24*time.Hour:
		return pair(int(d.Hours()), "h", int(d.Minutes())%60, "m")
	}
	return pair(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func pair(big int, bigUnit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d%s", big, bigUnit)
	}
	return fmt.Sprintf("%d%s%02d%s", big, bigUnit, small, smallUnit)
}

func between(from, to time.Time) Span {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return Span(to.Sub(from))
}

// clock is a time of day, stamp a time, both in UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// moment is a time as seen from another: of the same day its time will do.
func moment(t, from time.Time) string {
	if t, from = t.UTC(), from.UTC(); t.YearDay() == from.YearDay() && t.Year() == from.Year() {
		return clock(t)
	}
	return stamp(t)
}

// instant is a time of day to the millisecond, for what follows quickly.
func instant(t time.Time) string { return t.UTC().Format("15:04:05.000") }
