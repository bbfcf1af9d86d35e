package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

const readTime = 3 * time.Second

// robot reads one from the read model.
func (s *store) robot(ctx context.Context, id string) (r robot.Robot, exists bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, err := s.pool.Query(ctx, "SELECT to_json(r)::text FROM robots r WHERE id = $1", id)
	if err == nil {
		err = eachRobot(rows, func(found robot.Robot) { r, exists = found, true })
	}
	if err != nil {
		return robot.Robot{}, false, fmt.Errorf("read robot %q: %w", id, err)
	}
	return r, exists, nil
}

// page writes up to limit robots with ids after one, as an api.RobotPage.
func (s *store) page(ctx context.Context, after string, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var (
		out   bytes.Buffer
		total int
		last  string
		n     int
	)
	out.WriteString(`{"robots":[`)
	var b pgx.Batch
	b.Queue("SELECT count(*) FROM robots").QueryRow(func(row pgx.Row) error { return row.Scan(&total) })
	b.Queue(`SELECT id, to_json(r)::text FROM robots r WHERE id > $1 ORDER BY id LIMIT $2`, after, limit).Query(func(rows pgx.Rows) error {
		var body []byte // as it is: it has the form that it is wanted in
		_, err := pgx.ForEachRow(rows, []any{&last, &body}, func() error {
			if n++; n > 1 {
				out.WriteByte(',')
			}
			out.Write(body)
			return nil
		})
		return err
	})
	if err := s.pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("read robots: %w", err)
	}
	fmt.Fprintf(&out, `],"total":%d`, total)
	if n == limit {
		next, err := json.Marshal(last)
		if err != nil {
			return nil, fmt.Errorf("read robots: %w", err)
		}
		fmt.Fprintf(&out, `,"next":%s`, next)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// count counts the robots.
func (s *store) count(ctx context.Context) (api.Count, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	c := api.NewCount()
	var (
		kind     robot.Type
		reported robot.Reported
		n, tele  int
	)
	rows, err := s.pool.Query(ctx, "SELECT type, reported_status, count(*), count(*) FILTER (WHERE teleoperation) FROM robots GROUP BY 1, 2")
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&kind, &reported, &n, &tele}, func() error {
			c.Total += n
			c.ByType[kind] += n
			c.ByStatus[reported] += n
			c.Teleoperation += tele
			return nil
		})
	}
	if err != nil {
		return api.Count{}, fmt.Errorf("count the robots: %w", err)
	}
	return c, nil
}

// deployments reads the newest.
func (s *store) deployments(ctx context.Context) (api.Deployments, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	rows, err := s.pool.Query(ctx, "SELECT robot_id, from_version, to_version, at FROM deployment_history ORDER BY seq DESC LIMIT $1", api.MaxDeployments)
	if err != nil {
		return api.Deployments{}, fmt.Errorf("read deployments: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d api.Deployment, err error) {
		var at time.Time
		err = row.Scan(&d.RobotID, &d.From, &d.To, &at)
		d.At = robot.At(at)
		return d, err
	})
	if err != nil {
		return api.Deployments{}, fmt.Errorf("read deployments: %w", err)
	}
	return api.Deployments{Deployments: found}, nil
}

// synced notes a batch that was brought over.
func (s *store) synced(ctx context.Context, records, legacyRobots int) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO sync_status (last_sync, records, batches, legacy_robots) VALUES (now(), $1, 1, $2)
		ON CONFLICT (one) DO UPDATE SET last_sync = now(), records = sync_status.records + $1, batches = sync_status.batches + 1, legacy_robots = $2`, records, legacyRobots)
	if err != nil {
		return fmt.Errorf("note the sync: %w", err)
	}
	return nil
}

// syncStatus reads what was noted.
func (s *store) syncStatus(ctx context.Context) (api.SyncStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	st := api.SyncStatus{Status: "never"}
	if err := s.pool.QueryRow(ctx, "SELECT count(*) FROM robots").Scan(&st.Robots); err != nil {
		return st, fmt.Errorf("read the sync's status: %w", err)
	}
	var last time.Time
	var age float64
	err := s.pool.QueryRow(ctx, "SELECT last_sync, extract(epoch FROM now() - last_sync)::float8, records, batches, legacy_robots FROM sync_status").
		Scan(&last, &age, &st.Records, &st.Batches, &st.LegacyRobots)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return st, nil
	case err != nil:
		return st, fmt.Errorf("read the sync's status: %w", err)
	}
	last = last.UTC()
	st.Status, st.LastSync, st.Age = "ok", &last, &age
	return st, nil
}
