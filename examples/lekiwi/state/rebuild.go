package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Rebuilt says how a read model made anew from the events compares with the one
// that is there.
type Rebuilt struct {
	Events      int64 `json:"events"`
	Robots      int   `json:"robots"`
	Deployments int   `json:"deployments"`
	// Differing robots and deployments: missing, too many or other, and the ids
	// of some of them.
	Differing int      `json:"differing"`
	Examples  []string `json:"examples,omitempty"`
	Replaced  bool     `json:"replaced"`
}

// Rebuild makes the read model anew and compares. With replace, where they
// differ the new one takes the place of the old. Nothing is written meanwhile:
// it holds the writers' lock.
func Rebuild(ctx context.Context, conn *pgx.Conn, replace bool) (out Rebuilt, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writers)); err != nil {
			return fmt.Errorf("wait for the writers: %w", err)
		}
		p, err := replay(ctx, tx)
		if err != nil {
			return err
		}
		out.Events, out.Robots, out.Deployments = p.seq, len(p.robots), len(p.deployments)
		if err := stage(ctx, tx, p); err != nil {
			return err
		}
		for _, table := range []struct{ name, id string }{{"robots", "id"}, {"deployment_history", "robot_id"}} {
			if err := differences(ctx, tx, table.name, table.id, &out); err != nil {
				return err
			}
		}
		if out.Differing == 0 || !replace {
			return nil
		}
		out.Replaced = true
		for _, table := range []string{"robots", "deployment_history"} {
			if _, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %[1]s; INSERT INTO %[1]s SELECT * FROM %[1]s_rebuilt", table)); err != nil {
				return fmt.Errorf("replace %s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild: %w", err)
	}
	return out, nil
}

// replay folds all events.
func replay(ctx context.Context, tx pgx.Tx) (*projection, error) {
	rows, err := tx.Query(ctx, "SELECT seq, robot_id, kind, at, record::text FROM events ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	p := newProjection()
	var (
		e      robot.Event
		record []byte
	)
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&p.seq, &e.RobotID, &e.Kind, &e.At.Time, &record}, func() error {
		if next++; p.seq != next {
			return fmt.Errorf("event %d is missing: the next one is %d", next, p.seq)
		}
		event := e
		event.At = robot.At(e.At.Time)
		if record != nil {
			event.Record = new(robot.Record)
			if err := json.Unmarshal(record, event.Record); err != nil {
				return fmt.Errorf("event %d: %w", p.seq, err)
			}
		}
		p.apply(p.seq, event)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return p, nil
}

// stage writes a read model beside the one that is there.
func stage(ctx context.Context, tx pgx.Tx, p *projection) error {
	robots := make([]robot.Robot, 0, len(p.robots))
	for _, r := range p.robots {
		robots = append(robots, r)
	}
	return errors.Join(stageTable(ctx, tx, "robots", robots), stageTable(ctx, tx, "deployment_history", p.deployments))
}

func stageTable[T any](ctx context.Context, tx pgx.Tx, table string, rows []T) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %[1]s_rebuilt (LIKE %[1]s) ON COMMIT DROP", table)); err != nil {
		return fmt.Errorf("stage %s: %w", table, err)
	}
	for len(rows) > 0 {
		n := min(maxBatch, len(rows))
		body, err := json.Marshal(rows[:n])
		if err != nil {
			return fmt.Errorf("stage %s: %w", table, err)
		}
		sql := fmt.Sprintf("INSERT INTO %[1]s_rebuilt SELECT * FROM json_populate_recordset(NULL::%[1]s, $1::json)", table)
		if _, err := tx.Exec(ctx, sql, string(body)); err != nil {
			return fmt.Errorf("stage %s: %w", table, err)
		}
		rows = rows[n:]
	}
	return nil
}

// maxExamples is how many ids Rebuilt names.
const maxExamples = 10

func differences(ctx context.Context, tx pgx.Tx, table, id string, out *Rebuilt) error {
	sql := fmt.Sprintf(`SELECT DISTINCT %[2]s FROM (
		(TABLE %[1]s EXCEPT TABLE %[1]s_rebuilt) UNION ALL (TABLE %[1]s_rebuilt EXCEPT TABLE %[1]s)) d ORDER BY 1`, table, id)
	rows, err := tx.Query(ctx, sql)
	if err == nil {
		err = each(rows, func(id string) error {
			if out.Differing++; len(out.Examples) < maxExamples {
				out.Examples = append(out.Examples, table+"/"+id)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("compare %s: %w", table, err)
	}
	return nil
}
