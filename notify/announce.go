package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
)

// An Announced is a receiver of an announcement or alert, and why it was not told.
type Announced struct {
	To  string
	Err error // nil: it was told
}

// Announce tells the receivers of a runbook's announcements, before there is a
// run of it, each once. The Post needs no store for it. The error is that there
// is nothing to announce, or nobody to announce it to.
func (p *Post) Announce(ctx context.Context, rb *runbook.Runbook) ([]Announced, error) {
	p.conns = map[string]*opening{}
	defer p.close()
	now := time.Now()
	n := notice{Notice: driver.Notice{Runbook: rb.Name, Topic: runbook.TopicAnnouncement, Severity: engine.P4, At: now}, route: engine.P4}
	n.Key = fmt.Sprintf("/announcement/%s/%d", rb.Digest()[:12], now.Unix())
	all := letters(rb, n)
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no route of notify is about announcements: add {on: …, about: [announcement], template: …}", rb.File)
	}
	var out []Announced
	for _, l := range all {
		out = append(out, Announced{l.receiver(), p.secrets().Error(p.announce(ctx, rb, l))})
	}
	return out, nil
}

func (p *Post) announce(ctx context.Context, rb *runbook.Runbook, l letter) error {
	t, ok := rb.Template(l.template)
	if !ok {
		return errors.New("its route has no template, and an announcement is nothing else")
	}
	text, err := p.fill(ctx, rb, t, report.Ahead(rb, l.At))
	if err != nil {
		return fmt.Errorf("the template %s cannot be filled: %w", t.Name, err)
	}
	l.Title, l.Text = titled(text)
	_, err = p.tell(ctx, l, "")
	return err
}
