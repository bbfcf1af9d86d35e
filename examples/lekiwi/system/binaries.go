package system

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/segue-run/segue/examples/sandbox"
)

const (
	binApp   = "lekiwi"
	binSegue = "segue"
)

// install puts the executables into the system's directory, so that its user can
// reach them and a later build does not change what runs. Only the tee needs
// segue: without it there is none.
func install(l sandbox.Dir, bin string) error {
	if from, err := find(bin, binSegue); err == nil {
		if err := place(from, l.Bin(binSegue)); err != nil {
			return fmt.Errorf("install %s: %w", binSegue, err)
		}
	}
	for _, name := range []string{binApp, sandbox.ProcessCompose} {
		from, err := find(bin, name)
		if err != nil {
			return err
		}
		if err := place(from, l.Bin(name)); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
	}
	if err := os.Chmod(l.Path("bin"), 0o755); err != nil { //nolint:gosec // executables are no secret
		return fmt.Errorf("install: %w", err)
	}
	return nil
}

// find looks beside this executable, then in PATH.
func find(bin, name string) (string, error) {
	if bin == "" {
		if self, err := os.Executable(); err == nil {
			bin = filepath.Dir(self)
		}
	}
	if path := filepath.Join(bin, name); executable(path) {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is neither in %s nor in PATH: run script/setup and make build", name, bin)
	}
	return filepath.Abs(path)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// place links or, on another file system or without the right, copies.
func place(from, to string) (err error) {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	const everybodyRuns = 0o005
	if info.Mode()&everybodyRuns == everybodyRuns && os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755) //nolint:gosec // an executable
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// programs are the executables that Debian has.
type programs struct {
	postgres                 string // a folder
	redis, nginx, prometheus string
}

func findPrograms() (at programs, err error) {
	if at.postgres, err = postgresBin(); err != nil {
		return at, err
	}
	for name, path := range map[string]*string{"redis-server": &at.redis, "nginx": &at.nginx, "prometheus": &at.prometheus} {
		if *path, err = debian(name); err != nil {
			return at, err
		}
	}
	return at, nil
}

// postgresBin finds Debian's newest PostgreSQL.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("no PostgreSQL under /usr/lib/postgresql: run script/setup (Debian package postgresql)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// debian finds a program in PATH or where Debian puts what is root's.
func debian(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	if path := filepath.Join("/usr/sbin", name); executable(path) {
		return path, nil
	}
	return "", fmt.Errorf("there is no %s: run script/setup (Debian package %s)", name, name)
}
