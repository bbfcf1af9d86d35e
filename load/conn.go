package load

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// Kind is the name of the connection, and of the check.
const Kind = "load"

type connParams struct {
	Targets []string `param:"targets,required" doc:"What may be put under load: host:port, as in 127.0.0.1:8001. Anything else is refused."`
	Most    int      `param:"most-rps" doc:"The highest rate that may be asked of them." default:"10000"`
}

// Validate implements what types cannot say.
func (p connParams) Validate() error {
	if len(p.Targets) == 0 {
		return &runbook.FieldError{Field: "targets", Problem: "nothing may be put under load", Remedy: "name what may: [\"127.0.0.1:8001\"]"}
	}
	for _, t := range p.Targets {
		if strings.Contains(t, "${") {
			continue // only known when it is opened
		}
		if host, port, err := net.SplitHostPort(t); err != nil || host == "" || port == "" || strings.ContainsAny(t, "*/") {
			return &runbook.FieldError{Field: "targets", Problem: fmt.Sprintf("%q is no target", t), Remedy: "write host:port, as in 127.0.0.1:8001"}
		}
	}
	if p.Most < 0 {
		return &runbook.FieldError{Field: "most-rps", Problem: "a rate is not negative", Remedy: "write 10000"}
	}
	return nil
}

// Targets are what may be put under load.
type Targets struct{ p connParams }

func connection() driver.Part {
	return driver.Connects(driver.About{Name: Kind, Doc: "What may be put under load, and how much of it."},
		func(_ context.Context, p connParams) (*Targets, error) { return newTargets(p) })
}

func newTargets(p connParams) (*Targets, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if p.Most == 0 {
		p.Most = 10_000
	}
	return &Targets{p}, nil
}

// Close has nothing to close: each look has connections of its own.
func (t *Targets) Close() error { return nil }

// allows refuses what is not named.
func (t *Targets) allows(u *url.URL, rps int) error {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	at := net.JoinHostPort(u.Hostname(), port)
	if !slices.ContainsFunc(t.p.Targets, func(named string) bool { return strings.EqualFold(named, at) }) {
		return &driver.Refusal{
			System: at, Reason: "it is not named as something to put under load",
			Remedy: fmt.Sprintf("add it to the targets of the connection (%s), if it may be", strings.Join(t.p.Targets, ", ")),
		}
	}
	if rps > t.p.Most {
		return &driver.Refusal{System: at, Reason: fmt.Sprintf("%d requests/s are more than may be asked of it", rps), Remedy: fmt.Sprintf("ask for at most %d, or raise most-rps of the connection", t.p.Most)}
	}
	return nil
}
