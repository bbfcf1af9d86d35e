package logs

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// stamp finds when a line says that it was written: the time field of a JSON
// line as slog writes it, or the date and time that a line begins with, as
// NGINX, PostgreSQL, Redis and NATS write it. A time without a zone is local.
func stamp(line string) (time.Time, bool) {
	if strings.HasPrefix(line, "{") {
		var fields struct {
			Time, TS, Timestamp string
		}
		if json.Unmarshal([]byte(line), &fields) != nil {
			return time.Time{}, false
		}
		for _, text := range []string{fields.Time, fields.TS, fields.Timestamp} {
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				return t, true
			}
		}
		return time.Time{}, false
	}
	found := dated.FindStringSubmatch(line)
	if found == nil {
		return time.Time{}, false
	}
	text, zone := strings.NewReplacer("/", "-", "T", " ", ",", ".").Replace(found[1]), found[2]
	if zone == "Z" || zone == "UTC" || zone == "GMT" {
		zone = "+00:00"
	}
	if zone == "" {
		t, err := time.ParseInLocation("2006-01-02 15:04:05", text, time.Local)
		return t, err == nil
	}
	t, err := time.Parse("2006-01-02 15:04:05-07:00", text+zone)
	return t, err == nil
}

// dated is how lines begin that are no JSON; before it there may be a process's
// number, as of NATS and Redis.
var dated = regexp.MustCompile(`^(?:\[\d+\] |(?:time|ts)=)?"?(\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?) ?(Z|UTC|GMT|[+-]\d\d:\d\d)?`)
