package teleoperation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/oklog/ulid/v2"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// sessions are the rows of teleoperation_sessions.
type sessions struct {
	pool *pgxpool.Pool
}

const queryTime = 3 * time.Second

const columns = "id, robot_id, operator, source, started_at, ended_at, latency_ms, packet_loss"

func scan(row pgx.CollectableRow) (s api.Session, err error) {
	var latency, loss *float64
	if err := row.Scan(&s.ID, &s.RobotID, &s.Operator, &s.Source, &s.StartedAt, &s.EndedAt, &latency, &loss); err != nil {
		return s, err
	}
	if latency != nil && loss != nil {
		s.Quality = &api.Quality{LatencyMS: *latency, PacketLoss: *loss}
	}
	return s, nil
}

// query runs one statement and gives the sessions that it gives.
func (s *sessions) query(ctx context.Context, what, sql string, args ...any) ([]api.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
}

// errTaken is there when another operator drives the robot.
var errTaken = errors.New("the robot is driven")

// start begins a session, or takes an observed one over. With errTaken it gives
// the session that there is.
func (s *sessions) start(ctx context.Context, robotID, operator string) (api.Session, error) {
	found, err := s.query(ctx, "start a session", `INSERT INTO teleoperation_sessions AS t (id, robot_id, operator, source) VALUES ($1, $2, $3, 'operator')
		ON CONFLICT (robot_id) WHERE ended_at IS NULL DO UPDATE SET operator = excluded.operator, source = 'operator' WHERE t.source = 'observed'
		RETURNING `+columns, ulid.Make().String(), robotID, operator)
	if err != nil {
		return api.Session{}, err
	}
	if len(found) == 1 {
		return found[0], nil
	}
	found, err = s.query(ctx, "find the session", "SELECT "+columns+" FROM teleoperation_sessions WHERE robot_id = $1 AND ended_at IS NULL", robotID)
	switch {
	case err != nil:
		return api.Session{}, err
	case len(found) == 0:
		return api.Session{}, errTaken // until a moment ago
	}
	return found[0], errTaken
}

// stop ends a session. It is content when it has ended.
func (s *sessions) stop(ctx context.Context, id string) (found api.Session, exists bool, err error) {
	return one(s.query(ctx, "stop a session", "UPDATE teleoperation_sessions SET ended_at = coalesce(ended_at, now()) WHERE id = $1 RETURNING "+columns, id))
}

func (s *sessions) get(ctx context.Context, id string) (found api.Session, exists bool, err error) {
	return one(s.query(ctx, "find a session", "SELECT "+columns+" FROM teleoperation_sessions WHERE id = $1", id))
}

func one(found []api.Session, err error) (api.Session, bool, error) {
	if err != nil || len(found) == 0 {
		return api.Session{}, false, err
	}
	return found[0], true, nil
}

// maxListed is how many sessions a list holds.
const maxListed = 1000

// list gives the newest: of one robot, and only those that are active, if asked.
func (s *sessions) list(ctx context.Context, robotID string, active bool) ([]api.Session, error) {
	return s.query(ctx, "list sessions", "SELECT "+columns+` FROM teleoperation_sessions
		WHERE ($1 = '' OR robot_id = $1) AND (NOT $2 OR ended_at IS NULL) ORDER BY started_at DESC, id DESC LIMIT $3`, robotID, active, maxListed)
}

// sample is a session's quality at a time.
type sample struct {
	ID      string    `json:"id"`
	Latency float64   `json:"latency_ms"`
	Loss    float64   `json:"packet_loss"`
	At      time.Time `json:"quality_at"`
}

// measured writes samples of sessions that are active.
func (s *sessions) measured(ctx context.Context, samples []sample) ([]api.Session, error) {
	body, err := json.Marshal(samples)
	if err != nil {
		return nil, fmt.Errorf("note the quality: %w", err)
	}
	return s.query(ctx, "note the quality", `UPDATE teleoperation_sessions t SET latency_ms = n.latency_ms, packet_loss = n.packet_loss, quality_at = n.quality_at
		FROM json_populate_recordset(NULL::teleoperation_sessions, $1::json) n WHERE t.id = n.id AND t.ended_at IS NULL
		RETURNING t.id, t.robot_id, t.operator, t.source, t.started_at, t.ended_at, t.latency_ms, t.packet_loss`, string(body))
}

// active counts the sessions that have not ended.
func (s *sessions) active(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	if err := s.pool.QueryRow(ctx, "SELECT count(*) FROM teleoperation_sessions WHERE ended_at IS NULL").Scan(&n); err != nil {
		return 0, fmt.Errorf("count the sessions: %w", err)
	}
	return n, nil
}

// observe notes who says that they are driven and who no longer does.
func (s *sessions) observe(ctx context.Context, driven, free []string) error {
	ids := make([]string, len(driven))
	for i := range ids {
		ids[i] = ulid.Make().String()
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	var b pgx.Batch
	b.Queue(`INSERT INTO teleoperation_sessions (id, robot_id, operator, source) SELECT id, robot, 'unknown', 'observed' FROM unnest($1::text[], $2::text[]) AS n(id, robot)
		ON CONFLICT (robot_id) WHERE ended_at IS NULL DO NOTHING`, ids, driven)
	b.Queue("UPDATE teleoperation_sessions SET ended_at = now() WHERE robot_id = ANY($1) AND source = 'observed' AND ended_at IS NULL", free)
	if err := s.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("note who is driven: %w", err)
	}
	return nil
}

// gone ends all sessions of robots that are there no more.
func (s *sessions) gone(ctx context.Context, robots []string) error {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	if _, err := s.pool.Exec(ctx, "UPDATE teleoperation_sessions SET ended_at = now() WHERE robot_id = ANY($1) AND ended_at IS NULL", robots); err != nil {
		return fmt.Errorf("end the sessions of robots that are gone: %w", err)
	}
	return nil
}

// observed lists the robots that have an observed session.
func (s *sessions) observed(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	rows, err := s.pool.Query(ctx, "SELECT robot_id FROM teleoperation_sessions WHERE source = 'observed' AND ended_at IS NULL")
	if err != nil {
		return nil, fmt.Errorf("list observed sessions: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list observed sessions: %w", err)
	}
	return found, nil
}
