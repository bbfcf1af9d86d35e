package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

const sysctlHead = "# Segue's own. What a step of a runbook set, its undo takes out.\n"

// parseSysctl reads a file of sysctl.d: key = value, by the key's path. The
// last one counts.
func parseSysctl(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if path, v, ok := sysctlLine(line); ok {
			out[path] = v
		}
	}
	return out
}

func sysctlLine(line string) (path, value string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", false
	}
	key, value, ok := strings.Cut(strings.TrimPrefix(line, "-"), "=")
	return sysctlPath(strings.TrimSpace(key)), spaced(value), ok
}

// withSysctl is the file with another value, or with none, for one key; other
// lines stay.
func withSysctl(text, name string, value *string) string {
	var b strings.Builder
	written := value == nil
	for line := range strings.Lines(text) {
		path, _, ok := sysctlLine(line)
		switch {
		case !ok || path != sysctlPath(name):
			b.WriteString(line)
		case !written:
			b.WriteString(name + " = " + *value + "\n")
			written = true
		}
	}
	if !written {
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteString("\n")
		}
		b.WriteString(name + " = " + *value + "\n")
	}
	return b.String()
}

// text is the file's; "" where there is none.
func (a *sysctl) text() (string, error) {
	if !a.persists() {
		return "", nil
	}
	raw, err := os.ReadFile(a.file())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("kernel parameters for the next start: %w", err)
	}
	return string(raw), nil
}

func (a *sysctl) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := a.change(ctx, e.Mine, e.Want); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return a.Observe(ctx)
}

// Resume implements driver.Resumable.
func (a *sysctl) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// Undo sets what was; a file that nothing is left in goes.
func (a *sysctl) Undo(ctx context.Context, e driver.Effect) error {
	if err := a.change(ctx, e.Mine, e.Before); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

// change goes to a state. What is so already is left alone.
func (a *sysctl) change(ctx context.Context, mine func() error, to state.State) error {
	was, err := a.text()
	if err != nil {
		return err
	}
	text := was
	for _, name := range a.names {
		var p kernelParameter
		if ok, err := to.Decode(a.id(name), &p); err != nil || !ok {
			return errors.Join(fmt.Errorf("the state says nothing of %s", name), err)
		}
		if p.Now != nil {
			if err := a.set(ctx, mine, name, *p.Now); err != nil {
				return err
			}
		}
		if kept, ok := parseSysctl(text)[sysctlPath(name)]; a.persists() && (ok != (p.Kept != nil) || ok && kept != *p.Kept) {
			text = withSysctl(text, name, p.Kept)
		}
	}
	if text == was {
		return nil
	}
	return a.keep(ctx, mine, was, text)
}

// set writes one parameter, and sees what the kernel made of it.
func (a *sysctl) set(ctx context.Context, mine func() error, name, value string) error {
	raw, err := os.ReadFile(a.proc(name))
	if err != nil {
		return fmt.Errorf("kernel parameter %s: %w", name, err)
	}
	if spaced(string(raw)) == value {
		return nil
	}
	if err := errors.Join(mine(), ctx.Err()); err != nil {
		return err
	}
	if err := os.WriteFile(a.proc(name), []byte(value+"\n"), 0); err != nil { //nolint:gosec // it is there, with a mode of its own
		return fmt.Errorf("set kernel parameter %s to %s: %w", name, value, err)
	}
	if raw, err = os.ReadFile(a.proc(name)); err != nil {
		return fmt.Errorf("kernel parameter %s: %w", name, err)
	}
	if is := spaced(string(raw)); is != value {
		return fmt.Errorf("kernel parameter %s was set to %s, and the kernel made %s of it", name, value, is)
	}
	return nil
}

// keep puts the file for the next start in the place of what it was.
func (a *sysctl) keep(ctx context.Context, mine func() error, was, text string) error {
	if was == "" {
		text = sysctlHead + text
	}
	if err := errors.Join(mine(), ctx.Err()); err != nil {
		return err
	}
	if now, err := a.text(); err != nil || now != was {
		return errors.Join(fmt.Errorf("%s: somebody else changed it just now; it was not written: try again", a.p.File), err)
	}
	var err error
	if text == sysctlHead || text == "" {
		err = os.Remove(a.file())
	} else {
		err = renameio.WriteFile(a.file(), []byte(text), 0o644, renameio.WithExistingPermissions())
	}
	if err != nil {
		return fmt.Errorf("kernel parameters for the next start: %w", err)
	}
	d, err := os.Open(filepath.Dir(a.file()))
	if err != nil {
		return fmt.Errorf("sync %s: %w", a.p.File, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", a.p.File, err)
	}
	return nil
}
