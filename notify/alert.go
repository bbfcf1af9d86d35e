package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
)

// Alert tells everybody whom a runbook's routes name of an emergency, in
// somebody's own words, each once and all at the same time: no receiver waits for
// another. What fails is tried again until patience ends. It needs no run, and no
// store. The error is that there is nothing to say, or nobody to say it to.
func (p *Post) Alert(ctx context.Context, rb *runbook.Runbook, by, text string, patience time.Duration) ([]Announced, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, errors.New("an alert without a text says nothing")
	}
	now := time.Now()
	title, rest := titled(text)
	n := driver.Notice{Runbook: rb.Name, Topic: "alert", Severity: engine.P1, At: now, Title: title, Turn: driver.Opens}
	n.Incident = fmt.Sprintf("alert/%s/%d", rb.Digest()[:12], now.UnixNano())
	n.Key = "/" + n.Incident
	n.Text = strings.TrimSpace(rest + "\n\n" + whomToCall(rb, by))
	all := everybody(rb, n)
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no route of notify tells anybody: add {on: …}", rb.File)
	}
	p.secrets()
	p.conns = map[string]*opening{}
	defer p.close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out := make([]Announced, len(all))
	var telling sync.WaitGroup
	for i, l := range all {
		telling.Go(func() { out[i] = Announced{l.receiver(), p.secrets().Error(p.insist(ctx, l))} })
	}
	telling.Wait()
	return out, nil
}

// insist tells until it is told, refused for good, or ctx ends. The error is that
// of the last try.
func (p *Post) insist(ctx context.Context, l letter) error {
	for tries := 1; ; tries++ {
		_, err := p.tell(ctx, l, "")
		var un *driver.Undelivered
		undelivered := errors.As(err, &un)
		if err == nil || undelivered && un.Never {
			return err
		}
		wait := backoff(tries)
		if undelivered {
			wait = max(wait, un.After)
		}
		if !pause(ctx, wait) {
			return fmt.Errorf("given up after %d tries: %w", tries, err)
		}
	}
}

// everybody is a letter to each receiver that any route names.
func everybody(rb *runbook.Runbook, n driver.Notice) []letter {
	var out []letter
	for _, r := range rb.Notify {
		conn, ok := rb.Connection(r.On)
		if !ok {
			continue
		}
		for _, to := range receivers(r) {
			l := letter{Notice: n, on: conn, to: to}
			if !slices.ContainsFunc(out, func(o letter) bool { return o.receiver() == l.receiver() }) {
				out = append(out, l)
			}
		}
	}
	return out
}

// whomToCall says who gave the alert, and whom there is to call.
func whomToCall(rb *runbook.Runbook, by string) string {
	lines := []string{fmt.Sprintf("%s, told by %s", rb.Name, by)}
	for _, c := range rb.Contacts {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s: %s %s", c.Role, c.Name, c.Phone), " "))
	}
	return strings.Join(lines, "\n")
}
