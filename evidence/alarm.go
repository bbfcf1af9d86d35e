package evidence

import "time"

// Alarm is the clock of a guard: since when its check has failed, or has been
// unknown, without a break. The zero value is quiet.
type Alarm struct {
	FailingSince time.Time `json:"failing_since,omitzero"`
	UnknownSince time.Time `json:"unknown_since,omitzero"`
	LastFail     time.Time `json:"last_fail,omitzero"`
	LastUnknown  time.Time `json:"last_unknown,omitzero"`
}

// slowest is how long one reading may take; a source that hangs is told of
// this rarely.
const slowest = 10 * time.Second

// Next is the clock after a reading, by its verdict on recent evidence. A pass
// quiets it. Two readings of one
// kind that lie further apart than two periods, and the time that a reading may
// take, are a break: what happened between them, nobody saw.
func (a Alarm) Next(r Reading, every time.Duration) Alarm {
	slack := 2*every + slowest
	switch r.Recently() {
	case Fail:
		if a.FailingSince.IsZero() || r.At.Sub(a.LastFail) > slack {
			a.FailingSince = r.At
		}
		a.LastFail = r.At
		a.UnknownSince, a.LastUnknown = time.Time{}, time.Time{}
	case Pass:
		a = Alarm{}
	default:
		if a.UnknownSince.IsZero() || r.At.Sub(a.LastUnknown) > slack {
			a.UnknownSince = r.At
		}
		a.LastUnknown = r.At
	}
	return a
}

// Failing is for how long the check has failed, by its readings.
func (a Alarm) Failing() time.Duration {
	if a.FailingSince.IsZero() {
		return 0
	}
	return a.LastFail.Sub(a.FailingSince)
}

// Unknown is for how long the check has not answered, by its readings.
func (a Alarm) Unknown() time.Duration {
	if a.UnknownSince.IsZero() {
		return 0
	}
	return a.LastUnknown.Sub(a.UnknownSince)
}

// Due reports whether the check has failed for at least the given time; a
// check that does not fail is never due.
func (a Alarm) Due(failsFor time.Duration) bool {
	return !a.FailingSince.IsZero() && a.Failing() >= failsFor
}

// Dark reports whether the check has been unknown for at least the given
// time; zero means that nobody asks.
func (a Alarm) Dark(unknownFor time.Duration) bool {
	return unknownFor > 0 && !a.UnknownSince.IsZero() && a.Unknown() >= unknownFor
}
