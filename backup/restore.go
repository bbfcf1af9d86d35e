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
	Of   driver.Via[driver.Restorer] `param:"of,required" doc:"The connection whose part is restored; it must have the name that it had in the bundle."`
	Into string                      `param:"into,required" doc:"Under which name it is restored, beside what is live: a database that does not exist yet, or is empty."`
}

// Validate implements what types cannot say.
func (p restoreParams) Validate() error {
	if p.Into == "" {
		return &runbook.FieldError{Field: "into", Problem: "there is no name", Remedy: "name a database that does not exist yet"}
	}
	return p.where.Validate()
}

// restoreAction is the connection's own restore, of what bundles have of it.
func restoreAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "backup.restore",
		Doc:  "Restores a connection's part of the newest good bundle under another name, beside what is live, where it appears whole and proved. For large ones give the step a timeout.",
	}, func(ctx context.Context, _ driver.Conn, p restoreParams) (driver.Action, error) {
		s, err := p.shelf()
		if err != nil {
			return nil, err
		}
		conn, err := p.Of.Open(ctx)
		if err != nil {
			return nil, err
		}
		return conn.Restoring(ctx, s.dumps(p.Of.String()), p.Into)
	})
}

// dumps are what the bundles have of a connection.
func (s *shelf) dumps(part string) driver.Dumps {
	return driver.Dumps{
		Dir: s.dir,
		Good: func(ctx context.Context) (string, error) {
			found, bad, err := s.newest(ctx, func(m *manifest) bool { _, ok := m.Parts[part]; return ok })
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
	}
}
