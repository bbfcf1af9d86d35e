package nginx

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/runbook"
)

type websocketParams struct {
	New        runbook.Percent `param:"new,required" doc:"The share of the clients whose new WebSockets go to the new side."`
	Path       string          `param:"path" doc:"Where WebSockets are opened; Segue's location serves exactly this path." default:"/ws"`
	Name       string          `param:"name" doc:"The name of this split." default:"ws"`
	By         string          `param:"by" doc:"What tells clients apart: address, header NAME or cookie NAME." default:"address"`
	NewSide    string          `param:"new-side" doc:"The upstream of the new side." default:"new"`
	OldSide    string          `param:"old-side" doc:"The upstream of the old side." default:"legacy"`
	Idle       time.Duration   `param:"idle" doc:"How long a WebSocket may be silent before NGINX closes it: more than its heartbeats are apart." default:"5m"`
	OldWorkers *time.Duration  `param:"old-workers" doc:"How long the workers of the old generation may take to end, where there is a reload; 0s does not wait for them." default:"1m"`
}

var locationForm = regexp.MustCompile(`^/[A-Za-z0-9_./~-]*$`)

// Routes reports whether clients are sent to the new side.
func (p websocketParams) Routes() bool { return p.New > 0 }

func (p websocketParams) split() splitParams {
	if p.Name == "" {
		p.Name = "ws"
	}
	return splitParams{New: p.New, Name: p.Name, By: p.By, NewSide: p.NewSide, OldSide: p.OldSide, OldWorkers: p.OldWorkers}
}

// Validate implements what types cannot say.
func (p websocketParams) Validate() error {
	switch {
	case p.Path != "" && !strings.Contains(p.Path, "${") && !locationForm.MatchString(p.Path):
		return &runbook.FieldError{Field: "path", Problem: fmt.Sprintf("%q is no path of a location", p.Path), Remedy: "write it as in /ws, without variables and quotes"}
	case p.Idle < 0 || p.Idle%time.Second != 0:
		return &runbook.FieldError{Field: "idle", Problem: "NGINX counts whole seconds here", Remedy: "write 5m"}
	}
	return p.split().Validate()
}

func websocketAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "nginx.websocket", On: kind, Resumable: true,
		Doc: "Serves the WebSockets of a path through NGINX, with the headers and times that they need, and sets the share of the clients whose new ones go to the new side. Those that are open stay where they are until they end. Undoing it sets the share that was.",
	}, func(_ context.Context, conn *Conn, p websocketParams) (driver.Action, error) {
		return newWebsocket(conn, p)
	})
}

func newWebsocket(conn *Conn, p websocketParams) (*split, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("nginx.websocket: %w", err)
	}
	share, err := edge.ShareOf("new", p.New)
	if err != nil {
		return nil, fmt.Errorf("nginx.websocket: %w", err)
	}
	if p.Path == "" {
		p.Path = "/ws"
	}
	if p.Idle == 0 {
		p.Idle = 5 * time.Minute
	}
	whole := p.split().whole()
	s := whole.settings(conn, share)
	s.Path, s.Idle = p.Path, fmt.Sprintf("%ds", p.Idle/time.Second)
	return splitOf(conn, whole, share, s), nil
}
