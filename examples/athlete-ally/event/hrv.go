package event

import (
	"math"
	"time"
)

// HRV is one day's heart rate variability of one user.
type HRV struct {
	UserID     string     `json:"userId"`
	Date       string     `json:"date"`
	RMSSD      float64    `json:"rmssd"`
	CapturedAt *time.Time `json:"capturedAt,omitempty"`
}

// LnRMSSD is the natural logarithm that athletes are compared by.
func (h HRV) LnRMSSD() float64 { return math.Log(h.RMSSD) }

// ParseHRV reads and checks a body; its error is an *InvalidError.
func ParseHRV(body []byte) (HRV, error) {
	var raw struct {
		UserID     string   `json:"userId"`
		Date       string   `json:"date"`
		RMSSD      *float64 `json:"rmssd"`
		CapturedAt string   `json:"capturedAt"`
	}
	if err := decode(body, &raw); err != nil {
		return HRV{}, err
	}
	if err := checkName("userId", raw.UserID); err != nil {
		return HRV{}, err
	}
	if err := checkDate(raw.Date); err != nil {
		return HRV{}, err
	}
	switch {
	case raw.RMSSD == nil:
		return HRV{}, invalid("rmssd", "is missing")
	case !(*raw.RMSSD > 0):
		return HRV{}, invalid("rmssd", "must be more than 0 ms, not %v", *raw.RMSSD)
	}
	h := HRV{UserID: raw.UserID, Date: raw.Date, RMSSD: *raw.RMSSD}
	if raw.CapturedAt != "" {
		at, err := time.Parse(time.RFC3339, raw.CapturedAt)
		if err != nil {
			return HRV{}, invalid("capturedAt", "must be RFC 3339, not %q", raw.CapturedAt)
		}
		h.CapturedAt = &at
	}
	return h, nil
}
