package host

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

func TestClock(t *testing.T) {
	work := clockParams{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", Until: "17:00"}
	berlin := work
	berlin.Zone = "Europe/Berlin"
	night := clockParams{Days: []string{"fri"}, From: "22:00", Until: "06:00"}
	for _, c := range []struct {
		name string
		p    clockParams
		now  string // UTC; 2026-11-20 is a Friday
		want evidence.Verdict
		next string
	}{
		{"in the middle of it", work, "2026-11-20T12:00:00Z", evidence.Pass, ""},
		{"it begins", work, "2026-11-20T09:00:00Z", evidence.Pass, ""},
		{"right before it", work, "2026-11-20T08:59:59Z", evidence.Fail, "Fri 2026-11-20 09:00 UTC"},
		{"right before its end", work, "2026-11-20T16:59:59Z", evidence.Pass, ""},
		{"its end", work, "2026-11-20T17:00:00Z", evidence.Fail, "Mon 2026-11-23 09:00 UTC"},
		{"a Saturday", work, "2026-11-21T12:00:00Z", evidence.Fail, "Mon 2026-11-23 09:00 UTC"},
		{"another zone", berlin, "2026-11-20T08:30:00Z", evidence.Pass, ""},
		{"another zone, in summer", berlin, "2026-07-10T07:30:00Z", evidence.Pass, ""},
		{"another zone, over", berlin, "2026-11-20T16:30:00Z", evidence.Fail, "Mon 2026-11-23 09:00 CET"},
		{"a night", night, "2026-11-20T23:00:00Z", evidence.Pass, ""},
		{"the morning after it", night, "2026-11-21T05:59:00Z", evidence.Pass, ""},
		{"the morning before it", night, "2026-11-20T05:00:00Z", evidence.Fail, "Fri 2026-11-20 22:00 UTC"},
		{"the next night", night, "2026-11-21T23:00:00Z", evidence.Fail, "Fri 2026-11-27 22:00 UTC"},
		{"whole days", clockParams{Days: []string{"fri"}}, "2026-11-20T23:59:59Z", evidence.Pass, ""},
		{"whole days, over", clockParams{Days: []string{"fri"}}, "2026-11-21T00:00:00Z", evidence.Fail, "Fri 2026-11-27 00:00 UTC"},
		{"only an end", clockParams{Until: "12:00"}, "2026-11-20T11:00:00Z", evidence.Pass, ""},
		{"only an end, over", clockParams{Until: "12:00"}, "2026-11-20T13:00:00Z", evidence.Fail, "Sat 2026-11-21 00:00 UTC"},
		{"only a beginning", clockParams{From: "12:00"}, "2026-11-20T23:59:00Z", evidence.Pass, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.p.Validate())
			zone, err := c.p.zone()
			check(t, err)
			now, err := time.Parse(time.RFC3339, c.now)
			check(t, err)
			r := (&clock{c.p, zone, func() time.Time { return now }}).Read(t.Context())
			if want(t, c.name, c.want, r); !strings.HasSuffix(r.Detail, c.next) {
				t.Errorf("%+v", r)
			}
		})
	}
}
