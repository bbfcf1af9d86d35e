package event

// Sleep is one night of one user. It is stored in the stream; no service reads
// it yet.
type Sleep struct {
	UserID  string  `json:"userId"`
	Date    string  `json:"date"`
	Minutes float64 `json:"durationMinutes"`
}

// ParseSleep reads and checks a body; its error is an *InvalidError.
func ParseSleep(body []byte) (Sleep, error) {
	var s Sleep
	if err := decode(body, &s); err != nil {
		return Sleep{}, err
	}
	if err := checkName("userId", s.UserID); err != nil {
		return Sleep{}, err
	}
	if err := checkDate(s.Date); err != nil {
		return Sleep{}, err
	}
	if !(s.Minutes > 0 && s.Minutes <= 24*60) {
		return Sleep{}, invalid("durationMinutes", "must be between 0 and 1440, not %v", s.Minutes)
	}
	return s, nil
}
