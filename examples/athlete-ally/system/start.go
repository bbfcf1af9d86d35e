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
)

// System is one that is up.
type System struct {
	Dir string
	Env Env

	layout  layout
	compose compose
}

// startTime bounds Start when its context does not.
const startTime = 90 * time.Second

// Start brings a system up and returns when all of it is healthy. What it
// started is gone again when it returns an error.
func Start(ctx context.Context, opt Options) (sys *System, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if opt.Release == "" {
		opt.Release = "dev"
	}
	if opt.Mode == "" {
		opt.Mode = "multi"
	}
	id, err := unprivileged()
	if err != nil {
		return nil, err
	}
	l, err := newLayout(opt.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Down(context.WithoutCancel(ctx), string(l)))
		}
	}()
	p, s, err := prepare(ctx, l, id, opt)
	if err != nil {
		return nil, err
	}
	env := s.env(l, p)
	if err := launch(l, id); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return provisionPostgres(groupCtx, p, s) })
	group.Go(func() error { return provisionNATS(groupCtx, env.NATSURL) })
	if err := group.Wait(); err != nil {
		return nil, withLogs(l, err)
	}
	if err := env.write(l.envFile()); err != nil {
		return nil, err
	}
	sys = &System{Dir: string(l), Env: env, layout: l, compose: newCompose(l.socket())}
	if err := sys.AwaitHealthy(ctx); err != nil {
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
	l := layout(dir)
	env, err := readEnv(l.envFile())
	if err != nil {
		return nil, fmt.Errorf("no system in %s (athlete-ally up --dir %s): %w", dir, dir, err)
	}
	return &System{Dir: dir, Env: env, layout: l, compose: newCompose(l.socket())}, nil
}

// prepare writes everything that is there before the first process.
func prepare(ctx context.Context, l layout, id *identity, opt Options) (ports, secrets, error) {
	fail := func(err error) (ports, secrets, error) { return ports{}, secrets{}, err }
	if err := install(l, opt.Bin); err != nil {
		return fail(err)
	}
	postgres, err := postgresBin()
	if err != nil {
		return fail(err)
	}
	prometheus, err := prometheusBin()
	if err != nil {
		return fail(err)
	}
	choose := freePorts
	if opt.SeedPorts {
		choose = seedPorts
	}
	p, err := choose()
	if err != nil {
		return fail(err)
	}
	s := newSecrets()
	for _, write := range []func() error{
		func() error { return writeNATS(l, p, s) },
		func() error { return writePrometheus(l, p) },
		func() error { return writeProject(l, p, s.env(l, p), opt, postgres, prometheus) },
		func() error { return os.WriteFile(l.conf("pgpass"), []byte(s.postgres), 0o600) },
		func() error { return os.MkdirAll(l.data("backup"), 0o700) },
		func() error { return id.own(l) },
		func() error { return initdb(ctx, l, id, p, postgres) },
		func() error { return os.Remove(l.conf("pgpass")) },
	} {
		if err := write(); err != nil {
			return fail(err)
		}
	}
	return p, s, nil
}

// ownerVariable marks every process of a system with its directory.
const ownerVariable = "AA_SYSTEM_DIR"

// environment of process-compose and so of all; the caller's own stays out.
func environment(l layout) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + string(l), "LANG=C.UTF-8", "TZ=UTC", ownerVariable + "=" + string(l),
	}
}

// launch starts process-compose, which outlives the caller.
func launch(l layout, id *identity) error {
	cmd := exec.Command(l.bin(binCompose), "--config", l.conf("processes.yaml"), "--tui=false", "--keep-project",
		"--disable-dotenv", "--use-uds", "--unix-socket", l.socket(), "--log-file", l.log(binCompose))
	cmd.Dir, cmd.Env = string(l), environment(l)
	id.become(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start process-compose: %w", err)
	}
	go func() { _ = cmd.Wait() }() // so that it leaves no zombie under a caller who stays
	return nil
}
