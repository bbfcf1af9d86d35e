// Package evidence turns readings into verdicts: the clocks of gates and guards,
// and the statistics under them. It is pure: time comes in with the readings.
//
// A check that claims something of a share (errors below 0.1 % at 95 %) does
// not only answer; its reading carries a [Tally] of what it counted. A gate
// judges over its own [Soak], by bounds that hold however often one looks
// ([Claim]); a guard goes by recent evidence ([Detector]).
package evidence

import (
	"encoding/json"
	"fmt"
	"time"
)

// Verdict is a check's answer. The zero value is Unknown, so that what nobody
// answered never counts as success.
type Verdict int8

const (
	Unknown Verdict = iota
	Pass
	Fail
)

func (v Verdict) String() string {
	switch v {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	default:
		return "unknown"
	}
}

// MarshalText makes the verdict a word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText takes the word back.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch string(text) {
	case "pass":
		*v = Pass
	case "fail":
		*v = Fail
	case "unknown":
		*v = Unknown
	default:
		return fmt.Errorf("verdict %q: want pass, fail or unknown", text)
	}
	return nil
}

// A Reading is what a check saw, when, where, and what it makes of it.
type Reading struct {
	At      time.Time       `json:"at"`
	Verdict Verdict         `json:"verdict"`
	Value   string          `json:"value,omitempty"`   // what was seen, for people: "3 of 3 nodes", "0.02 %"
	Bound   string          `json:"bound,omitempty"`   // what was asked of it: "below 100"
	Samples int64           `json:"samples,omitempty"` // how many observations the value rests on
	Source  string          `json:"source,omitempty"`  // the live system that answered
	Query   string          `json:"query,omitempty"`   // the exact question put to it
	Detail  string          `json:"detail,omitempty"`  // why, when the verdict is not pass
	Raw     json.RawMessage `json:"raw,omitempty"`     // figures for machines (baselines, ledgers)
	// Instance is which one of the watched thing answered, where that is known:
	// another one tells that it has restarted.
	Instance string `json:"instance,omitempty"`
	Tally    *Tally `json:"tally,omitempty"` // what was counted, where a claim is tested
}

// Passed, Failed and Unsure build readings; the runner sets At when it is zero.
func Passed(value, bound string) Reading { return Reading{Verdict: Pass, Value: value, Bound: bound} }

// Failed is a reading that breaks its bound; why says how.
func Failed(value, bound, why string) Reading {
	return Reading{Verdict: Fail, Value: value, Bound: bound, Detail: why}
}

// Unsure is a reading that answers nothing; why says what was missing.
func Unsure(why string) Reading { return Reading{Verdict: Unknown, Detail: why} }
