package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// testFor bounds a test of the configuration: it may look up names.
const testFor = 30 * time.Second

// run runs the program, as the user whom the running NGINX was started by:
// what only root could read would fail it later.
func (c *Conn) run(ctx context.Context, flags ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, testFor)
	defer cancel()
	args := []string{"-c", c.p.Config}
	if c.p.Prefix != "" {
		args = append(args, "-p", c.p.Prefix)
	}
	cmd := exec.CommandContext(ctx, c.p.Program, append(args, flags...)...) //nolint:gosec // the program is the runbook's
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = time.Second
	if m, err := c.master(); err == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: m.credential()}
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		err = c.refused(fmt.Sprintf("there is no program %s", c.p.Program), "name it with program, or install NGINX")
	}
	return out.String(), said.String(), err
}

// A brokenError is a configuration that NGINX does not take.
type brokenError struct {
	said string // by NGINX
}

func (e *brokenError) Error() string { return e.said }

// A dump is the whole configuration as NGINX reads it.
type dump struct {
	text  string
	files []string
}

// test lets NGINX test its configuration, with nothing of it taken into
// service. It fails with a *brokenError.
func (c *Conn) test(ctx context.Context) (*dump, error) {
	out, said, err := c.run(ctx, "-T")
	if exit, failed := errors.AsType[*exec.ExitError](err); failed && ctx.Err() == nil {
		text := problems(said)
		if text == "" {
			text = exit.Error()
		}
		return nil, &brokenError{text}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: test the configuration: %w", c, err)
	}
	d := &dump{text: out}
	for _, m := range fileLine.FindAllStringSubmatch(out, -1) {
		d.files = append(d.files, m[1])
	}
	return d, nil
}

var (
	fileLine = regexp.MustCompile(`(?m)^# configuration file (.+):$`)
	problem  = regexp.MustCompile(`(?m)^(?:nginx: |\d{4}/\S+ \S+ )\[emerg\]\s*(?:\d+#\d+: )?(.*)$`)
)

// problems are the lines that say why NGINX refused.
func problems(said string) string {
	var out []string
	for _, m := range problem.FindAllStringSubmatch(said, -1) {
		if !slices.Contains(out, m[1]) && len(out) < 4 {
			out = append(out, m[1])
		}
	}
	return strings.Join(out, "; ")
}

// without is the configuration that is not Segue's.
func (d *dump) without(dir string) string {
	var out strings.Builder
	at := fileLine.FindAllStringSubmatchIndex(d.text, -1)
	for i, m := range at {
		end := len(d.text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		if filepath.Dir(d.text[m[2]:m[3]]) != dir {
			out.WriteString(comment.ReplaceAllString(d.text[m[1]:end], ""))
		}
	}
	return out.String()
}

var (
	comment       = regexp.MustCompile(`(?m)(^|\s)#.*$`)
	includeLine   = regexp.MustCompile(`(?m)(?:^|[{};\s])include\s+["']?([^"';\s]+)["']?\s*;`)
	upstreamLine  = regexp.MustCompile(`(?m)(?:^|[{};\s])upstream\s+["']?([^"'{\s]+)["']?\s*\{`)
	fileCacheLine = regexp.MustCompile(`(?m)(?:^|[{};\s])(open_file_cache\s+[^;]*max=[^;]*|disable_symlinks\s+(?:on|if_not_owner)[^;]*);`)
)

// includes reports whether a file is included, or would be if it were there.
func (c *Conn) includes(d *dump, file string) bool {
	for _, pattern := range c.included(d.without(c.dir)) {
		if ok, _ := filepath.Match(pattern, file); ok {
			return true
		}
	}
	return slices.Contains(d.files, file)
}

// named reports whether a file is included by its name, so that it must be
// there.
func (c *Conn) named(text, file string) bool { return slices.Contains(c.included(text), file) }

// included are the paths and patterns that are included.
func (c *Conn) included(text string) []string {
	var out []string
	for _, m := range includeLine.FindAllStringSubmatch(text, -1) {
		pattern := m[1]
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(c.p.Config), pattern)
		}
		out = append(out, filepath.Clean(pattern))
	}
	return out
}

// upstreams are the names of all.
func (d *dump) upstreams() []string {
	var out []string
	for _, m := range upstreamLine.FindAllStringSubmatch(comment.ReplaceAllString(d.text, ""), -1) {
		out = append(out, m[1])
	}
	return out
}
