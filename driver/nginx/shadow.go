package nginx

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type shadowParams struct {
	Tee        string          `param:"tee,required" doc:"Where segue tee listens on the loopback: it answers each copy at once, and replays it later to the new side."`
	Sample     runbook.Percent `param:"sample,required" doc:"The share of the requests that are mirrored; 100% for all, 0% for none."`
	Name       string          `param:"name" doc:"The shadow's name." default:"shadow"`
	Unsafe     bool            `param:"unsafe-methods" doc:"Also mirrors methods that change something, with their bodies. The tee must be told too (--unsafe-methods)."`
	OldWorkers *time.Duration  `param:"old-workers" doc:"How long the workers of the old generation may take to end, where there is a reload; 0s does not wait for them." default:"1m"`
}

// The sides of a shadow: what is mirrored, and what is not.
const (
	mirrored    = "mirrored"
	notMirrored = "plain"
)

func (p shadowParams) split() splitParams {
	if p.Name == "" {
		p.Name = "shadow"
	}
	return splitParams{New: p.Sample, Name: p.Name, NewSide: mirrored, OldSide: notMirrored, OldWorkers: p.OldWorkers}
}

// Validate implements what types cannot say.
func (p shadowParams) Validate() error {
	if _, err := edge.ShareOf("sample", p.Sample); err != nil {
		return err
	}
	if !strings.Contains(p.Tee, "${") {
		host, port, err := net.SplitHostPort(p.Tee)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() || !portForm.MatchString(port) {
			return &runbook.FieldError{Field: "tee", Problem: fmt.Sprintf("%q is no port of the loopback", p.Tee), Remedy: "run segue tee on this machine, and write where it listens: 127.0.0.1:8998"}
		}
	}
	return p.split().Validate()
}

// shadow is a split of requests, each by itself, of which one side is copied.
type shadow struct{ *split }

func shadowAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "nginx.shadow", On: kind, Resumable: true,
		Doc: "Mirrors a share of the requests to a tee, which replays them to the new side: clients notice nothing of it, whether the new side is slow, dead or wrong. Only methods that change nothing, unless told. Undoing it mirrors as before.",
	}, func(_ context.Context, conn *Conn, p shadowParams) (driver.Action, error) { return newShadow(conn, p) })
}

func newShadow(conn *Conn, p shadowParams) (*shadow, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("nginx.shadow: %w", err)
	}
	share, err := edge.ShareOf("sample", p.Sample)
	if err != nil {
		return nil, fmt.Errorf("nginx.shadow: %w", err)
	}
	whole := p.split().whole()
	s := whole.settings(conn, share)
	s.By, s.Tee, s.Unsafe = byRequest, p.Tee, p.Unsafe
	return &shadow{splitOf(conn, whole, share, s)}, nil
}

// Survey also looks whether the tee is there: without it nothing would be
// replayed, and nobody would notice.
func (a *shadow) Survey(ctx context.Context) (state.State, error) {
	if a.share > 0 {
		d := net.Dialer{Timeout: 2 * time.Second}
		c, err := d.DialContext(ctx, "tcp", a.settings.Tee)
		if err != nil {
			return nil, a.conn.refused(fmt.Sprintf("no tee listens on %s: %v", a.settings.Tee, err), fmt.Sprintf("run `segue tee --listen %s --to http://NEW-SIDE` as a service of its own, which outlives this run", a.settings.Tee))
		}
		_ = c.Close()
	}
	return a.split.Survey(ctx)
}
