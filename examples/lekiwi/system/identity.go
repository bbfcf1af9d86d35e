package system

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

// identity is who the processes run as; nil means the caller.
type identity struct {
	uid, gid uint32
}

// unprivileged is the user nobody when the caller is root.
func unprivileged() (*identity, error) {
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
	return &identity{uint32(uid), uint32(gid)}, nil
}

// become makes cmd run as this identity, in a session of its own.
func (id *identity) become(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if id != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id.uid, Gid: id.gid}
	}
}

// own hands everything under dir over, but the executables, which may be links
// to the caller's own files.
func (id *identity) own(l layout) error {
	if id == nil {
		return nil
	}
	err := filepath.WalkDir(string(l), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if filepath.Dir(path) == l.path("bin") {
			return nil
		}
		return os.Lchown(path, int(id.uid), int(id.gid)) //nolint:gosec // in a directory that we have just made
	})
	if err != nil {
		return fmt.Errorf("hand %s over to nobody: %w", l, err)
	}
	probe := exec.Command("/bin/true")
	probe.Dir = string(l)
	id.become(probe)
	if err := probe.Run(); err != nil {
		return fmt.Errorf("the user nobody cannot enter %s (one of the folders above it is closed): take another directory: %w", l, err)
	}
	return nil
}

// ownerVariable marks every process of a system with its directory.
const ownerVariable = "LEKIWI_SYSTEM_DIR"

// environment of process-compose and so of all; the caller's own stays out.
func environment(l layout) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + string(l), "LANG=C.UTF-8", "TZ=UTC", ownerVariable + "=" + string(l),
	}
}
