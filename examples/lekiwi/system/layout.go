package system

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// layout is the system's directory.
type layout string

// markerFile says that a directory is a system's, and may be removed.
const markerFile = ".lekiwi"

// maxSocketPath is what a unix socket's address can hold.
const maxSocketPath = 107

func (l layout) path(elem ...string) string {
	return filepath.Join(append([]string{string(l)}, elem...)...)
}
func (l layout) socket() string       { return l.path("pc.sock") }
func (l layout) envFile() string      { return l.path("env") }
func (l layout) bin(n string) string  { return l.path("bin", n) }
func (l layout) conf(n string) string { return l.path("conf", n) }
func (l layout) data(n string) string { return l.path("data", n) }
func (l layout) log(n string) string  { return l.path("log", n+".log") }

// newLayout makes the directory; nothing may be in it.
func newLayout(dir string) (layout, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "lekiwi-")
		if err != nil {
			return "", fmt.Errorf("make a directory: %w", err)
		}
		dir = made
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("directory: %w", err)
	}
	l := layout(dir)
	if len(l.socket()) > maxSocketPath {
		return "", fmt.Errorf("%s is too long for a unix socket: take a directory of at most %d bytes", dir, maxSocketPath-len("/pc.sock"))
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("directory: %w", err)
	case l.isSystem():
		return "", fmt.Errorf("there is a system in %s: take it down first (lekiwi down --dir %s)", dir, dir)
	case len(entries) > 0:
		return "", fmt.Errorf("%s is not empty", dir)
	}
	for _, sub := range []string{"", "bin", "conf", "data", "log"} {
		if err := os.MkdirAll(l.path(sub), 0o700); err != nil {
			return "", fmt.Errorf("directory: %w", err)
		}
	}
	if err := os.WriteFile(l.path(markerFile), []byte("This directory belongs to lekiwi; `lekiwi down` removes it.\n"), 0o600); err != nil {
		return "", fmt.Errorf("directory: %w", err)
	}
	return l, nil
}

func (l layout) isSystem() bool {
	_, err := os.Stat(l.path(markerFile))
	return err == nil
}
