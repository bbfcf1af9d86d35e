package system

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/sandbox"
)

// lookTime is how long the legacy system may take to say that it is healthy.
const lookTime = 3 * time.Second

// LegacyHealthy says whether the legacy system does.
func (s *System) LegacyHealthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_, err := get(ctx, s.Env.LegacyURL+api.PathHealth)
	return err == nil
}

// Revive starts the legacy system again if it is not healthy, and gives it the
// robots that the new system has, as it keeps nothing. One that is healthy is
// left alone.
func (s *System) Revive(ctx context.Context) (revived bool, robots int, err error) {
	if s.LegacyHealthy(ctx) {
		return false, 0, nil
	}
	known, err := s.newRobots(ctx) // before it is away for good
	if err != nil {
		return false, 0, err
	}
	name := Instance(Legacy, 0)
	if err := s.StopProcess(ctx, name); err != nil {
		return false, 0, err
	}
	if err := s.StartProcess(ctx, name); err != nil {
		return false, 0, err
	}
	err = sandbox.Await(ctx, "the legacy system", func(ctx context.Context) error {
		_, err := get(ctx, s.Env.LegacyURL+api.PathHealth)
		return err
	})
	if err != nil {
		return false, 0, fmt.Errorf("start the legacy system: %w", err)
	}
	return true, len(known), s.importTo(ctx, s.Env.LegacyURL, known)
}

// newRobots are those of the new system's read model, in the old one's words.
// The database is asked, as the services may be what is broken.
func (s *System) newRobots(ctx context.Context) ([]robot.Record, error) {
	conn, err := pgx.Connect(ctx, s.Env.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("read the new system's robots: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SELECT to_json(r)::text FROM robots r")
	if err != nil {
		return nil, fmt.Errorf("read the new system's robots: %w", err)
	}
	var raw []byte
	var out []robot.Record
	_, err = pgx.ForEachRow(rows, []any{&raw}, func() error {
		var r robot.Robot
		if err := json.Unmarshal(raw, &r); err != nil {
			return err //nolint:wrapcheck // it is wrapped below
		}
		out = append(out, r.Record())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the new system's robots: %w", err)
	}
	return out, nil
}

func (s *System) importTo(ctx context.Context, base string, robots []robot.Record) error {
	fail := func(err error) error { return fmt.Errorf("import %d robots: %w", len(robots), err) }
	body, err := json.Marshal(api.Robots{Robots: robots, Total: len(robots)})
	if err != nil {
		return fail(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+api.PathImport, bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	var done api.Imported
	if err == nil {
		err = json.Unmarshal(answer, &done)
	}
	if err == nil && (resp.StatusCode != http.StatusOK || done.Imported != len(robots)) {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(answer)))
	}
	if err != nil {
		return fail(err)
	}
	return nil
}
