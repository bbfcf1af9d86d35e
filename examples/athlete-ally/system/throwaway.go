package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/segue-run/segue/examples/sandbox"
)

// StartPostgres runs PostgreSQL alone, with the services' tables, for tests that
// need no more. stop ends it and removes its directory.
func StartPostgres(ctx context.Context) (url string, stop func() error, err error) {
	id, err := sandbox.Unprivileged()
	if err != nil {
		return "", nil, err
	}
	l, err := owner().Make("")
	if err != nil {
		return "", nil, err
	}
	remove := func() error { return os.RemoveAll(string(l)) }
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	bin, err := postgresBin()
	if err != nil {
		return "", nil, err
	}
	p, err := freePorts(ports{})
	if err != nil {
		return "", nil, err
	}
	s := newSecrets()
	if err := os.WriteFile(l.Conf("pgpass"), []byte(s.postgres), 0o600); err != nil {
		return "", nil, fmt.Errorf("password file: %w", err)
	}
	if err := errors.Join(id.Own(string(l)), initdb(ctx, l, id, p, bin)); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(bin+"/postgres", "-D", l.Data("postgres"), "-c", "fsync=off")
	cmd.Dir, cmd.Env = l.Data("postgres"), owner().Environment(l)
	id.Become(cmd)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended
		_ = cmd.Wait()                         // how it ended is not the question
		return remove()
	}
	if err := provisionPostgres(ctx, p, s); err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return s.databaseURL(p), stop, nil
}
