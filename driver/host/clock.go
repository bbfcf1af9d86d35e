package host

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type clockParams struct {
	Days  []string `param:"days" enum:"mon|tue|wed|thu|fri|sat|sun" doc:"The days on which it may be; all of them without it. Hours that go over midnight belong to the day on which they begin."`
	From  string   `param:"from" doc:"The hour from which on it may be, as in \"09:00\"." default:"00:00"`
	Until string   `param:"until" doc:"The hour before which it must be, as in \"17:00\"; before from, it is the next day's." default:"24:00"`
	Zone  string   `param:"zone" doc:"The time zone of days and hours, as in Europe/Berlin; Local for that of this machine." default:"UTC"`
}

var hourForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$|^24:00$`)

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Validate implements what types cannot say.
func (p clockParams) Validate() error {
	if len(p.Days) == 0 && p.From == "" && p.Until == "" {
		return &runbook.FieldError{Field: "days", Problem: "any time would do", Remedy: "give days, or from and until"}
	}
	for _, day := range p.Days {
		if !slices.Contains(weekdays, day) {
			return &runbook.FieldError{Field: "days", Problem: "no day is called " + day, Remedy: "write mon, tue, wed, thu, fri, sat or sun"}
		}
	}
	for field, hour := range map[string]string{"from": p.From, "until": p.Until} {
		if hour != "" && !hourForm.MatchString(hour) {
			return &runbook.FieldError{Field: field, Problem: hour + " is no hour of a day", Remedy: `write it with two digits each, as in "09:00"`}
		}
	}
	from, until := p.hours()
	if from == 24*time.Hour {
		return &runbook.FieldError{Field: "from", Problem: "no time begins at 24:00", Remedy: `write "00:00"`}
	}
	if from == until {
		return &runbook.FieldError{Field: "until", Problem: "it is the same as from", Remedy: "leave both out for whole days"}
	}
	if _, err := p.zone(); err != nil {
		return &runbook.FieldError{Field: "zone", Problem: err.Error(), Remedy: "write UTC, Local or a name as in Europe/Berlin"}
	}
	return nil
}

func (p clockParams) zone() (*time.Location, error) { return time.LoadLocation(p.Zone) } // "" is UTC

// hours are from and until as times since midnight.
func (p clockParams) hours() (from, until time.Duration) {
	if p.Until == "" {
		return hour(p.From), 24 * time.Hour
	}
	return hour(p.From), hour(p.Until)
}

func hour(text string) time.Duration {
	h, m, _ := strings.Cut(text, ":")
	hours, _ := strconv.Atoi(h) // their form was looked at
	minutes, _ := strconv.Atoi(m)
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
}

func (p clockParams) String() string {
	days := "every day"
	if len(p.Days) > 0 {
		days = strings.Join(p.Days, ", ")
	}
	if p.From == "" && p.Until == "" {
		return days
	}
	from, until := p.From, p.Until
	if from == "" {
		from = "00:00"
	}
	if until == "" {
		until = "24:00"
	}
	return fmt.Sprintf("%s, %s to %s", days, from, until)
}

type clock struct {
	p    clockParams
	zone *time.Location
	now  func() time.Time
}

func clockCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "host.clock",
		Doc:  "It is one of these days, and within these hours, by this machine's clock.",
	}, func(_ context.Context, _ driver.Conn, p clockParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("host.clock: %w", err)
		}
		zone, err := p.zone()
		if err != nil {
			return nil, fmt.Errorf("host.clock: zone: %w", err)
		}
		return &clock{p, zone, time.Now}, nil
	})
}

// Read implements driver.Check.
func (c *clock) Read(context.Context) evidence.Reading {
	const form = "Mon 2006-01-02 15:04 MST"
	now := c.now().In(c.zone)
	value := now.Format(form)
	r := evidence.Passed(value, "")
	if !c.open(now) {
		r = evidence.Failed(value, "", fmt.Sprintf("it is %s; the next such time begins on %s", value, c.next(now).Format(form)))
	}
	r.Bound, r.Source, r.Query, r.Samples = c.p.String(), source(), "the time in "+c.zone.String(), 1
	return r
}

// open goes by what a clock on the wall shows.
func (c *clock) open(now time.Time) bool {
	from, until := c.p.hours()
	at := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute
	if from < until {
		return at >= from && at < until && c.on(now.Weekday())
	}
	return at >= from && c.on(now.Weekday()) || at < until && c.on((now.Weekday()+6)%7)
}

func (c *clock) on(day time.Weekday) bool {
	return len(c.p.Days) == 0 || slices.Contains(c.p.Days, weekdays[day])
}

// next is when it is open again.
func (c *clock) next(now time.Time) time.Time {
	from, _ := c.p.hours()
	for day := range 8 {
		at := time.Date(now.Year(), now.Month(), now.Day()+day, int(from/time.Hour), int(from%time.Hour/time.Minute), 0, 0, c.zone)
		if at.After(now) && c.on(at.Weekday()) {
			return at
		}
	}
	return now // not reached: a week has every day
}
