package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An Identity is who the processes run as; nil means the caller.
type Identity struct {
	uid, gid uint32
}

// Unprivileged is the user nobody when the caller is root.
func Unprivileged() (*Identity, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the caller
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("find an unprivileged user: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("uid of nobody: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("gid of nobody: %w", err)
	}
	return &Identity{uint32(uid), uint32(gid)}, nil
}

// Become makes cmd run as this identity, in a session of its own.
func (id *Identity) Become(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if id != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id.uid, Gid: id.gid}
	}
}

// Own hands everything under dir over, but dir/bin, the executables, which may be links
// to the caller's own files.
func (id *Identity) Own(dir string) error {
	if id == nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if filepath.Dir(path) == filepath.Join(dir, "bin") {
			return nil
		}
		return os.Lchown(path, int(id.uid), int(id.gid)) //nolint:gosec // in a directory that we have just made
	})
	if err != nil {
		return fmt.Errorf("hand %s over to nobody: %w", dir, err)
	}
	probe := exec.Command("/bin/true")
	probe.Dir = dir
	id.Become(probe)
	if err := probe.Run(); err != nil {
		return fmt.Errorf("the user nobody cannot enter %s (one of the folders above it is closed): take another directory: %w", dir, err)
	}
	return nil
}
