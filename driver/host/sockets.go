package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type socketsParams struct {
	Port    int      `param:"port,required" doc:"The TCP port, on this machine's side unless side says otherwise."`
	Side    string   `param:"side" enum:"local|remote" doc:"Whose port it is: local, as of a server on this machine; remote, as of one that this machine is a client of." default:"local"`
	States  []string `param:"states" enum:"established|syn-sent|syn-received|fin-wait-1|fin-wait-2|time-wait|closed|close-wait|last-ack|listen|closing" doc:"The states that count; established without it."`
	Fewer   *int     `param:"fewer-than" doc:"There must be fewer than this."`
	AtLeast *int     `param:"at-least" doc:"There must be this many or more."`
}

// Validate implements what types cannot say.
func (p socketsParams) Validate() error {
	switch {
	case p.Port < 1 || p.Port > 65535:
		return &runbook.FieldError{Field: "port", Problem: "that is no TCP port", Remedy: "write one from 1 to 65535"}
	case p.Fewer == nil && p.AtLeast == nil:
		return &runbook.FieldError{Field: "fewer-than", Problem: "nothing is asked", Remedy: "give fewer-than: 10000 or at-least: 1"}
	case p.Fewer != nil && *p.Fewer < 1:
		return &runbook.FieldError{Field: "fewer-than", Problem: "there cannot be fewer", Remedy: "write at least 1"}
	case p.AtLeast != nil && *p.AtLeast < 1:
		return &runbook.FieldError{Field: "at-least", Problem: "there are always so many", Remedy: "write at least 1"}
	case p.Fewer != nil && p.AtLeast != nil && *p.AtLeast >= *p.Fewer:
		return &runbook.FieldError{Field: "at-least", Problem: "no number is both", Remedy: "write less than fewer-than"}
	}
	return nil
}

// tcpStates are the kernel's, by their number.
var tcpStates = []string{"", "established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait", "last-ack", "listen", "closing"}

// sockets counts those of a port.
type sockets struct {
	p socketsParams
	k kernel
}

func socketsCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "host.sockets",
		Doc:  "The TCP sockets of a port on this machine, by state, are neither too many nor too few. Those of Segue's own network namespace are counted. Unknown when they cannot be read.",
	}, func(_ context.Context, _ driver.Conn, p socketsParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("host.sockets: %w", err)
		}
		return newSockets(p, kernel{}), nil
	})
}

func newSockets(p socketsParams, k kernel) *sockets {
	if len(p.States) == 0 {
		p.States = []string{"established"}
	}
	return &sockets{p, k}
}

// Read implements driver.Check.
func (s *sockets) Read(context.Context) evidence.Reading {
	var r evidence.Reading
	n, err := s.count()
	value := fmt.Sprintf("%d %s", n, strings.Join(s.p.States, " or "))
	switch {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case s.p.Fewer != nil && n >= *s.p.Fewer:
		r = evidence.Failed(value, "", fmt.Sprintf("%s are not fewer than %d", value, *s.p.Fewer))
	case s.p.AtLeast != nil && n < *s.p.AtLeast:
		r = evidence.Failed(value, "", fmt.Sprintf("%s are not at least %d", value, *s.p.AtLeast))
	default:
		r = evidence.Passed(value, "")
		r.Samples = int64(n)
	}
	r.Bound, r.Source, r.Query = s.bound(), source(), fmt.Sprintf("/proc/net/tcp, port %d", s.p.Port)
	return r
}

func (s *sockets) bound() string {
	var parts []string
	if s.p.AtLeast != nil {
		parts = append(parts, fmt.Sprintf("at least %d", *s.p.AtLeast))
	}
	if s.p.Fewer != nil {
		parts = append(parts, fmt.Sprintf("fewer than %d", *s.p.Fewer))
	}
	return strings.Join(parts, ", ")
}

func (s *sockets) count() (n int, err error) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := s.k.read(file)
		if errors.Is(err, fs.ErrNotExist) && file == "/proc/net/tcp6" {
			continue // a machine without IPv6
		}
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(text) {
			counts, err := s.counts(line)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", file, err)
			}
			if counts {
				n++
			}
		}
	}
	return n, nil
}

// counts looks at a line: sl local_address rem_address st …, the first of
// which are words.
func (s *sockets) counts(line string) (bool, error) {
	f := strings.Fields(line)
	if len(f) == 0 || f[0] == "sl" {
		return false, nil
	}
	if len(f) < 4 {
		return false, fmt.Errorf("%q is no socket", line)
	}
	address := f[1]
	if s.p.Side == "remote" {
		address = f[2]
	}
	_, hex, _ := strings.Cut(address, ":")
	port, err1 := strconv.ParseUint(hex, 16, 16)
	state, err2 := strconv.ParseUint(f[3], 16, 8)
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("%q is no socket: %w", line, err)
	}
	return int(port) == s.p.Port && int(state) < len(tcpStates) && slices.Contains(s.p.States, tcpStates[state]), nil //nolint:gosec // it has 16 bits
}
