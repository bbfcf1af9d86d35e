package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type restoreParams struct {
	where
	Of      driver.Via[driver.Restorer] `param:"of" doc:"The connection whose part is restored beside what is live; it must have the name that it had in the bundle."`
	Into    string                      `param:"into" doc:"With of: under which name, a database that does not exist yet, or is empty."`
	InPlace driver.Via[driver.Returner] `param:"in-place" doc:"The connection whose part is restored where it was, in place of of; it must have the name that it had in the bundle."`
	Only    []string                    `param:"only" doc:"With in-place: only these of what the part has, streams of NATS or databases of Redis (db0); all otherwise."`
	Files   []string                    `param:"files" doc:"Files that are put back where they were, with their modes, in place of of. Each must be in the bundle."`
}

// Validate implements what types cannot say.
func (p restoreParams) Validate() error {
	if err := p.check(); err != nil {
		return err
	}
	return p.where.Validate()
}

func (p restoreParams) check() error {
	wrong := func(field, problem, remedy string) error {
		return &runbook.FieldError{Field: field, Problem: problem, Remedy: remedy}
	}
	given := 0
	for _, is := range []bool{p.Of.Given(), p.InPlace.Given(), len(p.Files) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return wrong("of", "it is to be said once what is restored", "write of: db with into, or in-place: cache, or files: [/etc/app.yaml]")
	case p.Of.Given() && p.Into == "":
		return wrong("into", "there is no name", "name a database that does not exist yet")
	case !p.Of.Given() && p.Into != "":
		return wrong("into", "what is restored where it was has its own name", "leave it out")
	case !p.InPlace.Given() && len(p.Only) > 0:
		return wrong("only", "it is for what is restored in-place", "leave it out")
	}
	return p.where.check()
}

// restoreAction is the connection's own restore, of what bundles have of it, or
// that of files.
func restoreAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "backup.restore", Resumable: true,
		Doc: "Restores a part of the newest good bundle, and looks whether it is there: a PostgreSQL database under another name, beside what is live; in its place the streams of NATS that are gone, with their consumers, or what the databases of Redis held, where what they hold now is put aside; or files. For large ones give the step a timeout.",
	}, func(ctx context.Context, _ driver.Conn, p restoreParams) (driver.Action, error) {
		if err := p.check(); err != nil {
			return nil, err
		}
		s, err := p.shelf()
		if err != nil {
			return nil, err
		}
		switch {
		case p.Of.Given():
			conn, err := p.Of.Open(ctx)
			if err != nil {
				return nil, err
			}
			return conn.Restoring(ctx, s.dumps(p.Of.String()), p.Into)
		case p.InPlace.Given():
			conn, err := p.InPlace.Open(ctx)
			if err != nil {
				return nil, err
			}
			return conn.Returning(ctx, s.dumps(p.InPlace.String()), p.Only)
		}
		return newFiling(s, p.Files)
	})
}

// dumps are what the bundles have of a connection.
func (s *shelf) dumps(part string) driver.Dumps {
	return driver.Dumps{
		Dir: s.dir,
		Good: func(ctx context.Context) (string, error) {
			found, bad, err := s.newest(ctx, func(b *bundle) bool { _, ok := b.Parts[part]; return ok })
			if err != nil {
				return "", err
			}
			if found == nil {
				return "", errors.New("there is no good bundle with " + part + " in " + s.dir + because(bad))
			}
			return filepath.Join(found.dir, part), nil
		},
		All: func() ([]string, error) {
			names, err := s.names()
			if err != nil {
				return nil, err
			}
			var out []string
			for _, name := range names {
				dir := filepath.Join(s.dir, name, part)
				if _, err := os.Stat(dir); err == nil {
					out = append(out, dir)
				} else if !os.IsNotExist(err) {
					return nil, fmt.Errorf("look for dumps: %w", err)
				}
			}
			return out, nil
		},
		Check: func(ctx context.Context, dir string) error {
			b, err := s.open(filepath.Base(filepath.Dir(dir)))
			if err == nil {
				err = b.fits(ctx, b.dir, nil) // as it is now, and not as it once was
			}
			if err != nil {
				return fmt.Errorf("bundle %s: %w", filepath.Base(filepath.Dir(dir)), err)
			}
			return nil
		},
	}
}
