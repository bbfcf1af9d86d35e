package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Source is where the systems are read; at least one is given.
type Source struct {
	DatabaseURL string // of the new system
	LegacyURL   string
}

const (
	settleEvery = 500 * time.Millisecond
	legacyTime  = 30 * time.Second
)

// Take reads and counts, and again until nothing is found or settle has passed:
// answers that robots gave before their last heartbeat may be on their way.
func Take(ctx context.Context, src Source, j fleet.Journal, split bool, settle time.Duration) (Result, error) {
	giveUp := time.Now().Add(settle)
	for {
		w, err := Read(ctx, src)
		if err != nil {
			return Result{}, err
		}
		result := Count(j, w, split)
		if result.OK() || time.Now().After(giveUp) {
			return result, nil
		}
		select {
		case <-ctx.Done():
			return Result{}, fmt.Errorf("wait for the systems to settle: %w", context.Cause(ctx))
		case <-time.After(settleEvery):
		}
	}
}

// Read reads what the systems hold.
func Read(ctx context.Context, src Source) (World, error) {
	var w World
	if src.DatabaseURL == "" && src.LegacyURL == "" {
		return w, fmt.Errorf("there is nothing to compare with: name a database, a legacy system or both")
	}
	if src.LegacyURL != "" {
		var err error
		if w.Legacy, err = readLegacy(ctx, src.LegacyURL); err != nil {
			return w, err
		}
	}
	if src.DatabaseURL == "" {
		return w, nil
	}
	conn, err := pgx.Connect(ctx, src.DatabaseURL)
	if err != nil {
		return w, fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	// One snapshot, so that events and robots are of one moment.
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, opts, func(tx pgx.Tx) (err error) {
		w.New, err = ReadNew(ctx, tx)
		return err
	})
	if err != nil {
		return w, fmt.Errorf("read the new system: %w", err)
	}
	return w, nil
}

// ReadNew reads what the new system holds, as a transaction sees it.
func ReadNew(ctx context.Context, tx pgx.Tx) (*NewSystem, error) {
	n := &NewSystem{Beats: map[string][]int64{}, Robots: map[string]robot.Robot{}, Rebuilt: map[string]robot.Robot{}}
	for _, read := range []func(context.Context, pgx.Tx, *NewSystem) error{readEvents, readRobots, readSessions} {
		if err := read(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func readLegacy(ctx context.Context, base string) (map[string]robot.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, legacyTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+api.PathRobots, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the legacy system: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the legacy system: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the legacy system: %s", resp.Status)
	}
	var list api.Robots
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("the legacy system's answer: %w", err)
	}
	if list.Total != len(list.Robots) {
		return nil, fmt.Errorf("the legacy system says that it has %d robots, and lists %d", list.Total, len(list.Robots))
	}
	out := make(map[string]robot.Record, len(list.Robots))
	for _, r := range list.Robots {
		out[r.ID] = r
	}
	return out, nil
}

// readEvents goes through all of them in order, and folds them as it goes.
func readEvents(ctx context.Context, tx pgx.Tx, n *NewSystem) error {
	rows, err := tx.Query(ctx, "SELECT seq, robot_id, kind, at, record::text FROM events ORDER BY seq")
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	var (
		e      robot.Event
		record []byte
		seq    int64
		before int64
	)
	_, err = pgx.ForEachRow(rows, []any{&seq, &e.RobotID, &e.Kind, &e.At.Time, &record}, func() error {
		n.Events++
		n.Gaps += seq - before - 1
		before = seq
		event := robot.Event{RobotID: e.RobotID, Kind: e.Kind, At: robot.At(e.At.Time)}
		if record != nil {
			event.Record = new(robot.Record)
			if err := json.Unmarshal(record, event.Record); err != nil {
				return fmt.Errorf("event %d: %w", seq, err)
			}
		}
		if event.Kind == robot.Heartbeat {
			if beat, ok := fleet.BeatOf(event.Record.Metadata); ok {
				n.Beats[beat.ID] = append(n.Beats[beat.ID], seq)
			} else {
				n.Unmarked++
			}
		}
		r, known := n.Rebuilt[event.RobotID]
		if r, known = robot.Fold(r, known, seq, event); known {
			n.Rebuilt[event.RobotID] = r
		} else {
			delete(n.Rebuilt, event.RobotID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

func readRobots(ctx context.Context, tx pgx.Tx, n *NewSystem) error {
	rows, err := tx.Query(ctx, "SELECT to_json(r)::text FROM robots r")
	if err != nil {
		return fmt.Errorf("robots: %w", err)
	}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&body}, func() error {
		var r robot.Robot
		if err := json.Unmarshal(body, &r); err != nil {
			return fmt.Errorf("%s: %w", body, err)
		}
		n.Robots[r.ID] = r
		return nil
	})
	if err != nil {
		return fmt.Errorf("robots: %w", err)
	}
	return nil
}

func readSessions(ctx context.Context, tx pgx.Tx, n *NewSystem) error {
	rows, err := tx.Query(ctx, "SELECT id, robot_id, operator, source = 'observed', started_at, ended_at FROM teleoperation_sessions ORDER BY robot_id, started_at, id")
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	if n.Sessions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Session]); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return nil
}
