package robot

import (
	"strings"
	"time"
)

// Type is what kind of robot one is.
type Type string

// All of them.
const (
	Lekiwi      Type = "lekiwi"
	XLERobot    Type = "xlerobot"
	TypeUnknown Type = "unknown"
)

// Types lists all of them, in the order in which they are counted.
func Types() []Type { return []Type{Lekiwi, XLERobot, TypeUnknown} }

// Status is a robot's status in the words of the new system.
type Status string

// All of them.
const (
	Online    Status = "online"
	Offline   Status = "offline"
	Deploying Status = "deploying"
	Errored   Status = "error"
)

// Silence is how long a robot may be silent and still be healthy.
const Silence = 5 * time.Minute

// Robot is one as the new system knows it: a row of the read model.
type Robot struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	Type     Type   `json:"type"`
	Hostname string `json:"hostname,omitempty"`
	IP       string `json:"ip_address,omitempty"`
	MAC      string `json:"mac_address,omitempty"`

	Status Status `json:"status"`
	// Reported and SaidType are the robot's own words, from which Status and
	// Type follow; clients of the legacy system get them back.
	Reported      Reported `json:"reported_status"`
	SaidType      string   `json:"reported_type,omitempty"`
	Version       string   `json:"version,omitempty"`
	Teleoperation bool     `json:"teleoperation"`
	SSHPort       int      `json:"ssh_port,omitempty"`
	Metadata      Metadata `json:"metadata,omitempty"`

	Lifecycle Lifecycle `json:"lifecycle"`
	// Failures in a row; anything heard of the robot makes them 0.
	Failures int `json:"failures"`
	// LastSeen is by the robot's clock, HeardAt and DiscoveredAt by ours.
	LastSeen     Time `json:"last_seen,omitzero"`
	HeardAt      Time `json:"heard_at,omitzero"`
	DiscoveredAt Time `json:"discovered_at"`
	// Seq is the number of the last event that is in this.
	Seq int64 `json:"seq"`
}

// Healthy says whether a robot is online and was heard of lately.
func (r Robot) Healthy(now time.Time) bool {
	return r.Status == Online && r.Lifecycle != Failed && now.Sub(r.HeardAt.Time) < Silence
}

// Record is the robot as the legacy system would have it.
func (r Robot) Record() Record {
	return Record{
		ID: r.ID, Name: r.Name, Type: r.SaidType, Hostname: r.Hostname, IP: r.IP, MAC: r.MAC,
		Status: r.Reported, Version: r.Version, LastSeen: r.LastSeen, Teleoperation: r.Teleoperation,
		SSHPort: r.SSHPort, Metadata: r.Metadata,
	}
}

// TypeOf goes by the record's type, else by its host's name.
func TypeOf(r Record) Type {
	switch strings.ToLower(r.Type) {
	case "lekiwi":
		return Lekiwi
	case "xlerobot", "xle":
		return XLERobot
	}
	switch host := strings.ToLower(r.Hostname); {
	case strings.Contains(host, "xle"): // xlerobot too; "lekiwi-xle-2" is one of them
		return XLERobot
	case strings.Contains(host, "lekiwi"):
		return Lekiwi
	}
	return TypeUnknown
}

// StatusOf maps the legacy system's word to the new system's.
func StatusOf(r Reported) Status {
	switch r {
	case Running:
		return Online
	case Updating:
		return Deploying
	case ReportedFailed:
		return Errored
	}
	return Offline // stopped, and unknown too
}
