package nginx

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/runbook"
)

type splitParams struct {
	New        runbook.Percent `param:"new,required" doc:"The share of the clients that the new side serves: 10%, two decimals at most. At 0% and 100% there is no exception."`
	Name       string          `param:"name" doc:"The split's name: the configuration says proxy_pass http://$segue_NAME." default:"edge"`
	By         string          `param:"by" doc:"What tells clients apart: address, header NAME or cookie NAME. A request without it goes by its address." default:"address"`
	NewSide    string          `param:"new-side" doc:"The upstream of the new side." default:"new"`
	OldSide    string          `param:"old-side" doc:"The upstream of the old side." default:"legacy"`
	Way        string          `param:"way" enum:"files|reload" doc:"How NGINX learns of a share: by files that each request looks at, without a reload; or by a reload each time, which resets connections." default:"files"`
	OldWorkers *time.Duration  `param:"old-workers" doc:"How long the workers of the old generation may take to end, where there is a reload; 0s does not wait for them." default:"1m"`
}

var (
	nameForm   = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)
	sideForm   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	headerForm = regexp.MustCompile(`^header [A-Za-z0-9-]+$`)
	cookieForm = regexp.MustCompile(`^cookie [A-Za-z0-9_]+$`)
)

// Routes reports whether clients are sent to the new side.
func (p splitParams) Routes() bool { return p.New > 0 }

// Validate implements what types cannot say.
func (p splitParams) Validate() error {
	if _, err := edge.ShareOf("new", p.New); err != nil {
		return err
	}
	p = p.whole()
	for _, f := range []struct {
		field, value string
		right        bool
		remedy       string
	}{
		{"name", p.Name, nameForm.MatchString(p.Name), "write small letters and digits, as it becomes a part of variables"},
		{"new-side", p.NewSide, sideForm.MatchString(p.NewSide), "write it as in the configuration, behind `upstream`"},
		{"old-side", p.OldSide, sideForm.MatchString(p.OldSide), "write it as in the configuration, behind `upstream`"},
		{"by", p.By, p.By == "address" || headerForm.MatchString(p.By) || cookieForm.MatchString(p.By), "write address, header X-Robot-Id or cookie robot (a cookie's name has letters, digits and _)"},
	} {
		if !f.right && !strings.Contains(f.value, "${") {
			return &runbook.FieldError{Field: f.field, Problem: fmt.Sprintf("%q cannot be used in a configuration", f.value), Remedy: f.remedy}
		}
	}
	switch {
	case p.NewSide == p.OldSide:
		return &runbook.FieldError{Field: "new-side", Problem: "both sides are " + p.NewSide, Remedy: "name two upstreams"}
	case p.OldWorkers != nil && *p.OldWorkers < 0:
		return &runbook.FieldError{Field: "old-workers", Problem: "a time is not negative", Remedy: "write 1m"}
	}
	return nil
}

// whole fills in the defaults.
func (p splitParams) whole() splitParams {
	for _, d := range []struct {
		value     *string
		otherwise string
	}{{&p.Name, "edge"}, {&p.By, "address"}, {&p.NewSide, "new"}, {&p.OldSide, "legacy"}, {&p.Way, byFiles}} {
		if *d.value == "" {
			*d.value = d.otherwise
		}
	}
	return p
}

func (p splitParams) oldWorkers() time.Duration {
	if p.OldWorkers == nil {
		return time.Minute
	}
	return *p.OldWorkers
}

// settings are what the files are written for.
func (p splitParams) settings(c *Conn, share edge.Share) settings {
	s := settings{
		Version: version, Name: p.Name, Way: p.Way, By: p.By, New: p.NewSide, Old: p.OldSide,
		Control: c.p.Control, Log: filepath.Join(c.p.Logs, "segue-"+p.Name+".log"),
	}
	if s.Way == byReload {
		s.Share = share.String()
	}
	return s
}
