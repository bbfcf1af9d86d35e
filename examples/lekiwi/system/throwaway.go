package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/segue-run/segue/examples/sandbox"
)

// Stores are PostgreSQL and Redis alone, with the services' tables, for tests
// that need no more.
type Stores struct {
	DatabaseURL string // as the services' role
	SuperURL    string // as the superuser, to the same database
	RedisURL    string

	dir      sandbox.Dir
	id       *sandbox.Identity
	at       programs
	postgres *exec.Cmd
	redis    *exec.Cmd
}

// StartStores starts both. Stop ends them and removes their directory.
func StartStores(ctx context.Context) (st *Stores, err error) {
	st = &Stores{}
	if st.id, err = sandbox.Unprivileged(); err != nil {
		return nil, err
	}
	if st.at, err = findPrograms(); err != nil {
		return nil, err
	}
	if st.dir, err = owner().Make(""); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Stop())
		}
	}()
	p, err := freePorts(ports{})
	if err != nil {
		return nil, err
	}
	s := newSecrets()
	st.DatabaseURL, st.SuperURL, st.RedisURL = s.databaseURL(p), s.superURL(p, ""), s.redisURL(p)
	if err := os.WriteFile(st.dir.Conf("pgpass"), []byte(s.postgres), 0o600); err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	if err := errors.Join(writeRedis(st.dir, p, s), st.id.Own(string(st.dir)), initdb(ctx, st.dir, st.id, p, st.at.postgres)); err != nil {
		return nil, err
	}
	if err := errors.Join(st.StartPostgres(), st.StartRedis()); err != nil {
		return nil, err
	}
	if err := provisionPostgres(ctx, p, s); err != nil {
		return nil, err
	}
	return st, awaitRedis(ctx, st.RedisURL)
}

func (st *Stores) start(dir, name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, owner().Environment(st.dir)
	st.id.Become(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return cmd, nil
}

// StartPostgres starts it, again after StopPostgres; it returns at once.
func (st *Stores) StartPostgres() (err error) {
	st.postgres, err = st.start(st.dir.Data("postgres"), st.at.postgres+"/postgres", "-D", st.dir.Data("postgres"), "-c", "fsync=off")
	return err
}

// StartRedis starts it, again after StopRedis; it returns at once.
func (st *Stores) StartRedis() (err error) {
	st.redis, err = st.start(st.dir.Data("redis"), st.at.redis, st.dir.Conf("redis.conf"))
	return err
}

// StopPostgres ends it and waits until it has.
func (st *Stores) StopPostgres() { end(st.postgres, syscall.SIGINT); st.postgres = nil }

// StopRedis ends it and waits until it has.
func (st *Stores) StopRedis() { end(st.redis, syscall.SIGTERM); st.redis = nil }

// FreezeRedis makes it hang, or go on.
func (st *Stores) FreezeRedis(on bool) error {
	sig := syscall.SIGCONT
	if on {
		sig = syscall.SIGSTOP
	}
	return st.redis.Process.Signal(sig) //nolint:wrapcheck // it says which process
}

// Stop ends both and removes their directory.
func (st *Stores) Stop() error {
	st.StopRedis()
	st.StopPostgres()
	return os.RemoveAll(string(st.dir))
}

func end(cmd *exec.Cmd, sig syscall.Signal) {
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(sig) // it may have ended
	kill := time.AfterFunc(sandbox.StopTime, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_ = cmd.Wait() // how it ended is not the question
}
