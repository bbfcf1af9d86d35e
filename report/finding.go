package report

import "time"

// A Finding is something in a journal that does not follow from what came
// before it.
type Finding struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Problem string    `json:"problem"`
}
