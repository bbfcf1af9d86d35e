package robot

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Reported is a robot's status in the words of the legacy system.
type Reported string

// All of them; what is none of them counts as ReportedUnknown.
const (
	Running         Reported = "running"
	Stopped         Reported = "stopped"
	Updating        Reported = "updating"
	ReportedFailed  Reported = "failed"
	ReportedUnknown Reported = "unknown"
)

// Record is a robot as the legacy system has it, and as a robot reports itself.
// Only an id or an address must be there.
type Record struct {
	// ID may be missing: then the address is the id.
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Type     string `json:"type,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	IP       string `json:"ip_address,omitempty"`
	MAC      string `json:"mac_address,omitempty"`

	Status  Reported `json:"status"`
	Version string   `json:"version,omitempty"`
	// LastSeen is by the robot's own clock; zero where it does not say.
	LastSeen      Time     `json:"last_seen,omitzero"`
	Teleoperation bool     `json:"teleoperation"`
	SSHPort       int      `json:"ssh_port,omitempty"`
	Metadata      Metadata `json:"metadata,omitempty"`
}

// Limits of a record.
const (
	// MaxRecord bounds the JSON of one record, in bytes.
	MaxRecord = 64 << 10
	maxText   = 256
	maxPort   = 1<<16 - 1
)

// ParseRecord reads and checks a body; its error is an *InvalidError. Fields
// that it does not know are left out.
func ParseRecord(body []byte) (Record, error) {
	var r Record
	if err := Decode(body, &r); err != nil {
		return Record{}, err
	}
	return r, r.Normalize()
}

// Decode reads exactly one JSON object into v and names the field that does not
// fit.
func Decode(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(v); err != nil {
		var bad *InvalidError
		var wrongType *json.UnmarshalTypeError
		switch {
		case errors.As(err, &bad):
			return bad
		case errors.As(err, &wrongType) && wrongType.Field != "":
			return invalid(wrongType.Field, "must be a %s, not a %s", wrongType.Type, wrongType.Value)
		}
		return invalid("body", "is not a JSON object: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("body", "has something after the JSON object")
	}
	return nil
}

// Normalize checks a record and brings it into the one form in which records
// are kept: an id, a status that is known, and metadata that any JSON reader
// takes.
func (r *Record) Normalize() error {
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"id", &r.ID},
		{"name", &r.Name},
		{"type", &r.Type},
		{"hostname", &r.Hostname},
		{"ip_address", &r.IP},
		{"mac_address", &r.MAC},
		{"version", &r.Version},
	} {
		switch {
		case len(*f.value) > maxText:
			return invalid(f.name, "is longer than %d bytes", maxText)
		case strings.ContainsRune(*f.value, 0):
			return invalid(f.name, "holds a NUL character, which nothing can store")
		}
		*f.value = strings.TrimSpace(strings.ToValidUTF8(*f.value, "\uFFFD"))
	}
	if r.ID == "" {
		r.ID = r.IP
	}
	switch {
	case r.ID == "":
		return invalid("id", "is missing, and so is ip_address, which could stand for it")
	case r.SSHPort < 0 || r.SSHPort > maxPort:
		return invalid("ssh_port", "must be a port, 1 to %d", maxPort)
	}
	r.Status = ParseReported(string(r.Status))
	r.LastSeen = At(r.LastSeen.Time)
	return r.Metadata.normalize()
}

// ParseReported takes what a robot says its status is.
func ParseReported(text string) Reported {
	switch s := Reported(strings.ToLower(strings.TrimSpace(text))); s {
	case Running, Stopped, Updating, ReportedFailed:
		return s
	}
	return ReportedUnknown
}
