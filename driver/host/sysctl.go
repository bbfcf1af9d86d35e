package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type sysctlParams struct {
	Set     map[string]string `param:"set,required" doc:"The kernel's parameters by name, as in net.core.somaxconn: 10000."`
	Persist *bool             `param:"persist" doc:"Also write them to file, so that they are set again when the machine starts." default:"true"`
	File    string            `param:"file" doc:"A file of Segue's own; others' stay as they are." default:"/etc/sysctl.d/90-segue.conf"`
}

// The name that a file is read back by: a first separator that is a slash
// makes dots a part of names, as in net/ipv4/conf/eth0.1/forwarding.
var sysctlForm = regexp.MustCompile(`^[a-zA-Z0-9_-]+([./][a-zA-Z0-9_:@-]+)+$`)

// Validate implements what types cannot say.
func (p sysctlParams) Validate() error {
	if len(p.Set) == 0 {
		return &runbook.FieldError{Field: "set", Problem: "no parameter is given", Remedy: "write set: {net.core.somaxconn: 10000}"}
	}
	paths := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		if !sysctlForm.MatchString(name) {
			return &runbook.FieldError{Field: "set", Problem: fmt.Sprintf("%q is no name of a kernel parameter", name), Remedy: "write it as in net.core.somaxconn"}
		}
		if v := p.Set[name]; strings.ContainsAny(v, "\n\r\x00") || strings.TrimSpace(v) == "" {
			return &runbook.FieldError{Field: "set", Problem: "the value of " + name + " is no line of text", Remedy: "write a number, or several with spaces between"}
		}
		if other, twice := paths[sysctlPath(name)]; twice {
			return &runbook.FieldError{Field: "set", Problem: name + " is " + other + ", written otherwise", Remedy: "keep one of them"}
		}
		paths[sysctlPath(name)] = name
	}
	if p.File != "" && (!filepath.IsAbs(p.File) || !strings.HasSuffix(p.File, ".conf")) && !strings.Contains(p.File, "${") {
		return &runbook.FieldError{Field: "file", Problem: p.File + " would not be read when the machine starts", Remedy: "write /etc/sysctl.d/90-segue.conf"}
	}
	return nil
}

// sysctlPath is where a parameter is beneath /proc/sys.
func sysctlPath(name string) string {
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '/' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, name)
}

// sysctl sets parameters of the running kernel and has them set again when it
// starts. It owns both values of each.
type sysctl struct {
	p     sysctlParams
	k     kernel
	names []string
	host  string
}

func sysctlAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "host.sysctl", Resumable: true,
		Doc: "Sets kernel parameters of this machine, now and, in a file of Segue's own, for the next start. Undoing it sets what was, and takes them out of the file.",
	}, func(_ context.Context, _ driver.Conn, p sysctlParams) (driver.Action, error) {
		return newSysctl(p, kernel{})
	})
}

func newSysctl(p sysctlParams, k kernel) (*sysctl, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("host.sysctl: %w", err)
	}
	if p.File == "" {
		p.File = "/etc/sysctl.d/90-segue.conf"
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("host.sysctl: name of this machine: %w", err)
	}
	return &sysctl{p, k, slices.Sorted(maps.Keys(p.Set)), host}, nil
}

func (a *sysctl) id(name string) string { return "host:" + a.host + "/sysctl/" + sysctlPath(name) }

func (a *sysctl) persists() bool { return a.p.Persist == nil || *a.p.Persist }

func (a *sysctl) file() string { return a.k.root + a.p.File }

func (a *sysctl) proc(name string) string { return a.k.root + "/proc/sys/" + sysctlPath(name) }

func (a *sysctl) Resources() []driver.Resource {
	out := make([]driver.Resource, len(a.names))
	for i, name := range a.names {
		out[i] = driver.Resource{ID: a.id(name), Name: name + " of host " + a.host}
	}
	return out
}

// A kernelParameter is what is owned of one; null: there is none.
type kernelParameter struct {
	Now  *string `json:"now"`
	Kept *string `json:"kept,omitempty"` // by the file
}

func spaced(text string) string { return strings.Join(strings.Fields(text), " ") }

func (a *sysctl) Observe(context.Context) (state.State, error) {
	text, err := a.text()
	if err != nil {
		return nil, err
	}
	kept := parseSysctl(text)
	out := state.State{}
	for _, name := range a.names {
		var p kernelParameter
		switch raw, err := os.ReadFile(a.proc(name)); {
		case err == nil:
			p.Now = new(spaced(string(raw)))
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("kernel parameter %s: %w", name, err)
		}
		if v, ok := kept[sysctlPath(name)]; ok && a.persists() {
			p.Kept = &v
		}
		fields := state.Of(a.id(name), p)
		if a.persists() && p.Kept == nil {
			fields[a.id(name)]["kept"] = []byte("null")
		}
		maps.Copy(out, fields)
	}
	return out, nil
}

// Survey implements driver.Surveyor: may they be set, and would they last?
func (a *sysctl) Survey(context.Context) (state.State, error) {
	for _, name := range a.names {
		f, err := os.OpenFile(a.proc(name), os.O_WRONLY, 0) // and nothing is written
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, a.refused("there is no kernel parameter "+name, "see sysctl -a for those that there are")
		case errors.Is(err, fs.ErrPermission):
			return nil, a.refused(name+" may not be set: "+err.Error(), "run Segue as root, on the machine itself")
		case err != nil:
			return nil, fmt.Errorf("kernel parameter %s: %w", name, err)
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("kernel parameter %s: %w", name, err)
		}
	}
	if !a.persists() {
		return state.State{}, nil
	}
	if info, err := os.Stat(filepath.Dir(a.file())); err != nil || !info.IsDir() {
		return nil, a.refused(filepath.Dir(a.p.File)+" is no directory", "write with file one that is read when the machine starts, or persist: false")
	}
	return state.State{}, a.overridden()
}

// overridden looks for files that are read after ours and say otherwise.
func (a *sysctl) overridden() error {
	all, err := filepath.Glob(filepath.Join(filepath.Dir(a.file()), "*.conf"))
	if err != nil {
		return fmt.Errorf("files beside %s: %w", a.p.File, err)
	}
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil || filepath.Base(path) <= filepath.Base(a.p.File) {
			continue
		}
		later := parseSysctl(string(raw))
		for _, name := range a.names {
			if v, ok := later[sysctlPath(name)]; ok && v != spaced(a.p.Set[name]) {
				return a.refused(fmt.Sprintf("%s sets %s to %s, and is read after %s", strings.TrimPrefix(path, a.k.root), name, v, filepath.Base(a.p.File)), "take it out there, or write with file a name that comes later")
			}
		}
	}
	return nil
}

func (a *sysctl) refused(reason, remedy string) error {
	return &driver.Refusal{System: "host " + a.host, Reason: reason, Remedy: remedy}
}

func (a *sysctl) Plan(before state.State) (state.State, error) { return a.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (a *sysctl) PlanAmong(state.State, state.State) (state.State, error) {
	out := state.State{}
	for _, name := range a.names {
		v := spaced(a.p.Set[name])
		p := kernelParameter{Now: &v}
		if a.persists() {
			p.Kept = &v
		}
		maps.Copy(out, state.Of(a.id(name), p))
	}
	return out, nil
}
