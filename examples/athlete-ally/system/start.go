package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/sandbox"
)

// System is one that is up.
type System struct {
	Dir string
	Env Env

	layout  sandbox.Dir
	compose sandbox.Compose
}

// startTime bounds Start when its context does not.
const startTime = 90 * time.Second

// Start brings a system up and returns when all of it is healthy. What it
// started is gone again when it returns an error.
func Start(ctx context.Context, opt Options) (sys *System, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if opt.Mode == "" {
		opt.Mode = normalize.ModeMulti
	}
	sh, err := opt.shape()
	if err != nil {
		return nil, err
	}
	id, err := sandbox.Unprivileged()
	if err != nil {
		return nil, err
	}
	l, err := owner().Make(opt.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Down(context.WithoutCancel(ctx), string(l)))
		}
	}()
	p, s, err := prepare(ctx, l, id, opt, sh)
	if err != nil {
		return nil, err
	}
	env := s.env(l, p, opt, sh)
	if err := launch(l, id); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return provisionPostgres(groupCtx, p, s) })
	group.Go(func() error { return provisionNATS(groupCtx, env.NATSURL, sh) })
	if err := group.Wait(); err != nil {
		return nil, withLogs(l, err)
	}
	if err := env.write(l.EnvFile()); err != nil {
		return nil, err
	}
	sys = &System{Dir: string(l), Env: env, layout: l, compose: sandbox.NewCompose(l.Socket())}
	group, groupCtx = errgroup.WithContext(ctx)
	group.Go(func() error { return sys.AwaitHealthy(groupCtx) })
	group.Go(func() error { _, err := sys.Backup(groupCtx); return err })
	if err := group.Wait(); err != nil {
		return nil, withLogs(l, err)
	}
	return sys, nil
}

// Open finds a system that is up.
func Open(dir string) (*System, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	l := sandbox.Dir(dir)
	env, err := readEnv(l.EnvFile())
	if err != nil {
		return nil, fmt.Errorf("no system in %s (athlete-ally up --dir %s): %w", dir, dir, err)
	}
	return &System{Dir: dir, Env: env, layout: l, compose: sandbox.NewCompose(l.Socket())}, nil
}

// prepare writes everything that is there before the first process.
func prepare(ctx context.Context, l sandbox.Dir, id *sandbox.Identity, opt Options, sh shape) (ports, secrets, error) {
	fail := func(err error) (ports, secrets, error) { return ports{}, secrets{}, err }
	if err := install(l, opt.Bin); err != nil {
		return fail(err)
	}
	at, err := findPrograms(sh)
	if err != nil {
		return fail(err)
	}
	p, err := choosePorts(opt, sh)
	if err != nil {
		return fail(err)
	}
	s := newSecrets()
	for _, write := range []func() error{
		func() error { return writeNATS(l, p, s, sh) },
		func() error { return writePrometheus(l, p, sh) },
		func() error { return writeProject(l, p, s.env(l, p, opt, sh), opt, sh, at) },
		func() error { return os.WriteFile(l.Conf("pgpass"), []byte(s.postgres), 0o600) },
		func() error { return id.Own(string(l)) },
		func() error { return os.Mkdir(l.Data("backup"), 0o700) }, // the caller's own
		func() error { return initdb(ctx, l, id, p, at.postgres) },
		func() error { return os.Remove(l.Conf("pgpass")) },
	} {
		if err := write(); err != nil {
			return fail(err)
		}
	}
	return p, s, nil
}

// launch starts process-compose, which outlives the caller. Left to itself it
// goes through all of /proc for each child of each process, each second that
// somebody asks how they are: with PostgreSQL's many that takes seconds.
func launch(l sandbox.Dir, id *sandbox.Identity) error {
	cmd := exec.Command(l.Bin(sandbox.ProcessCompose), "--config", l.Conf("processes.yaml"), "--tui=false", "--keep-project", "--slow-ref-rate=1h",
		"--disable-dotenv", "--use-uds", "--unix-socket", l.Socket(), "--log-file", l.Log(sandbox.ProcessCompose))
	cmd.Dir, cmd.Env = string(l), owner().Environment(l)
	id.Become(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start process-compose: %w", err)
	}
	go func() { _ = cmd.Wait() }() // so that it leaves no zombie under a caller who stays
	return nil
}
