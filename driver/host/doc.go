// Package host checks the machine that Segue runs on: is there room on a disk,
// is there memory, is the machine not too busy, are its sockets few enough, and
// is it a time at which people are there to help. It also sets parameters of
// its kernel, now and for the next start.
//
// What a container may have is looked at too: where a limit of a cgroup is
// closer than that of the machine, it is the one that counts. What cannot be
// read is unknown.
package host

import (
	"fmt"
	"os"
	"strconv"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{diskCheck(), memoryCheck(), loadCheck(), cpuCheck(), clockCheck(), socketsCheck(), sysctlAction()}
}

// source is this machine's name.
func source() string {
	name, err := os.Hostname()
	if err != nil {
		return "host"
	}
	return "host " + name
}

// bytes is an amount for people.
func bytes(n uint64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB"}
	v, i := float64(n), 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + units[i]
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) + "%" }

// share is what is used of a whole, in percent.
func share(used, whole uint64) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(used) / float64(whole)
}

// room is what is asked of something that can be used up.
type room struct {
	above *runbook.Bytes
	below *runbook.Percent
}

func (r room) validate(above string) error {
	switch {
	case r.above == nil && r.below == nil:
		return &runbook.FieldError{Field: above, Problem: "nothing is asked", Remedy: "give " + above + ": 20GB or used-below: 85%"}
	case r.below != nil && (*r.below <= 0 || *r.below > 100):
		return &runbook.FieldError{Field: "used-below", Problem: "that is no share of what there is", Remedy: "write one above 0% and up to 100%"}
	}
	return nil
}

func (r room) String(free string) string {
	text := ""
	if r.above != nil {
		text = free + " above " + bytes(uint64(*r.above)) //nolint:gosec // sizes are not negative
	}
	if r.below != nil {
		if text != "" {
			text += ", "
		}
		text += "used below " + strconv.FormatFloat(float64(*r.below), 'g', -1, 64) + "%"
	}
	return text
}

// judge looks at what is free, and at the share that is used.
func (r room) judge(free uint64, used float64, value string) evidence.Reading {
	switch {
	case r.above != nil && free <= uint64(*r.above): //nolint:gosec // sizes are not negative
		return evidence.Failed(value, "", fmt.Sprintf("%s is not above %s", bytes(free), bytes(uint64(*r.above)))) //nolint:gosec // as above
	case r.below != nil && used >= float64(*r.below):
		return evidence.Failed(value, "", fmt.Sprintf("%s is used, not below %g%%", percent(used), float64(*r.below)))
	}
	out := evidence.Passed(value, "")
	out.Samples = 1
	return out
}
