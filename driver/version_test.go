package driver_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
)

func TestWhichOfTwoVersionsIsNewer(t *testing.T) {
	at := time.Date(2025, 1, 29, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		newer, older any
	}{
		{int64(10), int64(9)},
		{json.Number("9007199254740993"), json.Number("9007199254740992")},
		{json.Number("1.5"), int64(1)},
		{at.Add(time.Nanosecond), at},
		{at.Add(time.Second), "2025-01-29T11:00:00+01:00"},
		{"2025-01-29T10:00:00.5Z", "2025-01-29T10:00:00Z"}, // as texts it is the other way round
		{"b", "a"},
		{"x", nil},
	} {
		if !driver.Newer(c.newer, c.older) || driver.Newer(c.older, c.newer) || driver.Newer(c.newer, c.newer) {
			t.Errorf("%v is not newer than %v", c.newer, c.older)
		}
	}
}
