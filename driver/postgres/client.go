package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// clientDirs is where distributions keep the programs of each version.
func clientDirs() []string { return []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"} }

// A client is one installation of pg_dump and pg_restore.
type client struct {
	dir     string
	version string // "15.18"
	major   int
}

func (c client) dump() string    { return filepath.Join(c.dir, "pg_dump") }
func (c client) restore() string { return filepath.Join(c.dir, "pg_restore") }

// client finds the programs for a server. pg_dump must not be older than the
// server. Of those that are not, the one nearest to it is taken: what a newer
// pg_restore sends, an older server may not understand (transaction_timeout,
// since 17).
func (db *DB) client(ctx context.Context, major int) (client, error) {
	var best client
	var found []string
	for _, dir := range installed(db.programs) {
		c, err := inspect(ctx, dir)
		if err != nil {
			if ctx.Err() != nil {
				return client{}, err
			}
			found = append(found, err.Error())
			continue
		}
		found = append(found, "version "+c.version+" in "+dir)
		if c.major >= major && (best.dir == "" || c.major < best.major) {
			best = c
		}
	}
	if best.dir != "" {
		return best, nil
	}
	what := "there is none"
	if len(found) > 0 {
		what = "there is " + strings.Join(found, ", ")
	}
	return client{}, fmt.Errorf("no pg_dump and pg_restore of version %d or newer, in PATH or in %s: %s",
		major, strings.Join(db.programs, ", "), what)
}

// installed lists the directories that have both programs, each once; those
// that are a distribution's own first.
func installed(patterns []string) []string {
	var dirs, out []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // a pattern of ours, which is well formed
		dirs = append(dirs, found...)
	}
	for _, dir := range append(dirs, filepath.SplitList(os.Getenv("PATH"))...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		dump, err := exec.LookPath(filepath.Join(dir, "pg_dump"))
		if err != nil {
			continue
		}
		if _, err := exec.LookPath(filepath.Join(dir, "pg_restore")); err != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(dump)
		// Debian's wrapper picks a version by rules of its own.
		if err != nil || filepath.Base(real) == "pg_wrapper" {
			continue
		}
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

var versionText = regexp.MustCompile(`\) ((\d+)[0-9.a-z]*)`)

// inspect asks pg_dump for its version: pg_dump (PostgreSQL) 15.18 (Debian …).
func inspect(ctx context.Context, dir string) (client, error) {
	c := client{dir: dir}
	cmd := exec.CommandContext(ctx, c.dump(), "--version") //nolint:gosec // found in PATH, as any command
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = programGrace
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("%s --version: %w", c.dump(), err)
	}
	m := versionText.FindStringSubmatch(string(out))
	if m == nil {
		return c, fmt.Errorf("%s --version says %q", c.dump(), bytes.TrimSpace(out))
	}
	c.version = m[1]
	c.major, err = strconv.Atoi(m[2])
	return c, err
}

// clientRemedy is what to do when client finds none.
func clientRemedy(major int) string {
	return fmt.Sprintf("install them, Debian's package postgresql-client-%d", major)
}
