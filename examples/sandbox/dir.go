package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a system's directory.
type Dir string

// maxSocketPath is what a unix socket's address can hold.
const maxSocketPath = 107

// Path is a file or folder in it.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Socket is process-compose's.
func (d Dir) Socket() string { return d.Path("pc.sock") }

// EnvFile says how to reach the system.
func (d Dir) EnvFile() string { return d.Path("env") }

// Bin, Conf, Data and Log are a program's executable, configuration, folder and
// output.
func (d Dir) Bin(n string) string  { return d.Path("bin", n) }
func (d Dir) Conf(n string) string { return d.Path("conf", n) }
func (d Dir) Data(n string) string { return d.Path("data", n) }
func (d Dir) Log(n string) string  { return d.Path("log", n+".log") }

// An Owner is the program whose systems lie in such directories. It marks them
// with its name.
type Owner struct {
	Name string // of the program, which has a command `down`
	// Variable is in the environment of each process, and holds the directory.
	Variable string
	// Titled are programs that write their titles over their environment, and in
	// which folder of the directory each works.
	Titled map[string]string
}

func (o Owner) marker() string { return "." + o.Name }

// Has reports whether a directory is one of this owner's, and may be removed.
func (o Owner) Has(d Dir) bool {
	_, err := os.Stat(d.Path(o.marker()))
	return err == nil
}

// Environment is what processes start with; the caller's own stays out.
func (o Owner) Environment(d Dir) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + string(d), "LANG=C.UTF-8", "TZ=UTC", o.Variable + "=" + string(d),
	}
}

// Make makes a directory, in which nothing may be; "" is a temporary one.
func (o Owner) Make(dir string) (Dir, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", o.Name+"-")
		if err != nil {
			return "", fmt.Errorf("make a directory: %w", err)
		}
		dir = made
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("directory: %w", err)
	}
	d := Dir(dir)
	if len(d.Socket()) > maxSocketPath {
		return "", fmt.Errorf("%s is too long for a unix socket: take a directory of at most %d bytes", dir, maxSocketPath-len("/pc.sock"))
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("directory: %w", err)
	case o.Has(d):
		return "", fmt.Errorf("there is a system in %s: take it down first (%s down --dir %s)", dir, o.Name, dir)
	case len(entries) > 0:
		return "", fmt.Errorf("%s is not empty", dir)
	}
	for _, sub := range []string{"", "bin", "conf", "data", "log"} {
		if err := os.MkdirAll(d.Path(sub), 0o700); err != nil {
			return "", fmt.Errorf("directory: %w", err)
		}
	}
	said := fmt.Sprintf("This directory belongs to %s; `%s down` removes it.\n", o.Name, o.Name)
	if err := os.WriteFile(d.Path(o.marker()), []byte(said), 0o600); err != nil {
		return "", fmt.Errorf("directory: %w", err)
	}
	return d, nil
}
