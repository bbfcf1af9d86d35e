package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

type store struct {
	pool *pgxpool.Pool
}

const (
	// writers is the advisory lock that lets one transaction write at a time.
	writers = 0x6c656b697769 // "lekiwi"
	// channel is what a transaction with changes notifies.
	channel   = "lekiwi_changes"
	writeTime = 8 * time.Second
)

// outcome is what became of one event.
type outcome struct {
	duplicate bool
	// refused is why the database will never take it.
	refused error
}

// written is what one transaction has done.
type written struct {
	outcomes []outcome // in the order of the events
	robots   []robot.Robot
	deleted  []tombstone
}

// tombstone is a robot that is gone since seq.
type tombstone struct {
	id  string
	seq int64
}

// row is an event as the table has it.
type row struct {
	Seq int64 `json:"seq"`
	robot.Event
	Changed bool `json:"changed"`
}

// deployment is a row of deployment_history.
type deployment struct {
	Seq     int64      `json:"seq"`
	RobotID string     `json:"robot_id"`
	From    string     `json:"from_version"`
	To      string     `json:"to_version"`
	At      robot.Time `json:"at"`
}

// append writes those events that are not there yet, in their order, and what
// they make of the robots.
func (s *store) append(ctx context.Context, events []robot.Event) (done written, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		p, err := load(ctx, tx, events)
		if err != nil {
			return err
		}
		done.outcomes = p.fold(events)
		done.robots, done.deleted = p.results()
		return p.save(ctx, tx, done)
	})
	if err != nil {
		return written{}, fmt.Errorf("write %d events: %w", len(events), err)
	}
	return done, nil
}

// projection is the part of the read model that some events are about.
type projection struct {
	seq     int64
	keys    map[string]bool // of events that are there
	robots  map[string]robot.Robot
	touched map[string]int64 // the seq of the last event that made something of it

	rows        []row
	deployments []deployment
}

func newProjection() *projection {
	return &projection{keys: map[string]bool{}, robots: map[string]robot.Robot{}, touched: map[string]int64{}}
}

// load takes the lock and reads what the events are about.
func load(ctx context.Context, tx pgx.Tx, events []robot.Event) (*projection, error) {
	keys, ids := make([]string, len(events)), make([]string, len(events))
	for i, e := range events {
		keys[i], ids[i] = e.Key, e.RobotID
	}
	p := newProjection()
	var b pgx.Batch
	b.Queue("SELECT pg_advisory_xact_lock($1)", int64(writers))
	b.Queue("SELECT encode(uuid_send(key), 'hex') FROM events WHERE key = ANY($1::text[]::uuid[])", keys).Query(func(rows pgx.Rows) error {
		return each(rows, func(key string) error { p.keys[key] = true; return nil })
	})
	b.Queue("SELECT coalesce(max(seq), 0) FROM events").QueryRow(func(row pgx.Row) error { return row.Scan(&p.seq) })
	b.Queue("SELECT to_json(r)::text FROM robots r WHERE id = ANY($1)", ids).Query(func(rows pgx.Rows) error {
		return eachRobot(rows, func(r robot.Robot) { p.robots[r.ID] = r })
	})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("read what they are about: %w", err)
	}
	return p, nil
}

// fold applies events to the projection.
func (p *projection) fold(events []robot.Event) []outcome {
	out := make([]outcome, len(events))
	for i, e := range events {
		if p.keys[e.Key] {
			out[i].duplicate = true
			continue
		}
		p.keys[e.Key] = true
		p.seq++
		p.rows = append(p.rows, row{Seq: p.seq, Event: e, Changed: p.apply(p.seq, e)})
	}
	return out
}

// apply makes of a robot what an event does, and says whether watchers are told.
func (p *projection) apply(seq int64, e robot.Event) (changed bool) {
	before, known := p.robots[e.RobotID]
	after, stays := robot.Fold(before, known, seq, e)
	switch {
	case !stays && !known:
		return false
	case !stays:
		delete(p.robots, e.RobotID)
		p.touched[e.RobotID] = seq
		return true
	case after.Seq == seq:
		p.robots[e.RobotID] = after
		p.touched[e.RobotID] = seq
	}
	if known && before.Version != after.Version && before.Version != "" && after.Version != "" {
		p.deployments = append(p.deployments, deployment{Seq: seq, RobotID: e.RobotID, From: before.Version, To: after.Version, At: e.At})
	}
	return !known || robot.Differs(before, after)
}

// results are the robots that are another than before, and those that are gone.
func (p *projection) results() (robots []robot.Robot, deleted []tombstone) {
	for id, seq := range p.touched {
		if r, known := p.robots[id]; known {
			robots = append(robots, r)
		} else {
			deleted = append(deleted, tombstone{id, seq})
		}
	}
	return robots, deleted
}

const upsertRobots = `
INSERT INTO robots SELECT * FROM json_populate_recordset(NULL::robots, $1::json)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, type = excluded.type, hostname = excluded.hostname, ip_address = excluded.ip_address,
    mac_address = excluded.mac_address, status = excluded.status, reported_status = excluded.reported_status,
    reported_type = excluded.reported_type, version = excluded.version, teleoperation = excluded.teleoperation,
    ssh_port = excluded.ssh_port, metadata = excluded.metadata, lifecycle = excluded.lifecycle, failures = excluded.failures,
    last_seen = excluded.last_seen, heard_at = excluded.heard_at, discovered_at = excluded.discovered_at, seq = excluded.seq`

// save writes events and what has become of the robots.
func (p *projection) save(ctx context.Context, tx pgx.Tx, done written) error {
	if len(p.rows) == 0 {
		return nil
	}
	var b pgx.Batch
	queue := func(sql string, rows any) error {
		body, err := json.Marshal(rows)
		if err != nil {
			return fmt.Errorf("write as JSON: %w", err)
		}
		b.Queue(sql, string(body))
		return nil
	}
	err := queue(`INSERT INTO events (seq, key, robot_id, kind, at, record, changed)
		SELECT * FROM json_to_recordset($1::json) AS e(seq bigint, key uuid, robot_id text, kind text, at timestamptz, record jsonb, changed boolean)`, p.rows)
	if err == nil && len(done.robots) > 0 {
		err = queue(upsertRobots, done.robots)
	}
	if err == nil && len(p.deployments) > 0 {
		err = queue(`INSERT INTO deployment_history SELECT * FROM json_populate_recordset(NULL::deployment_history, $1::json)`, p.deployments)
	}
	if err != nil {
		return err
	}
	if len(done.deleted) > 0 {
		ids := make([]string, len(done.deleted))
		for i, t := range done.deleted {
			ids[i] = t.id
		}
		b.Queue("DELETE FROM robots WHERE id = ANY($1)", ids)
	}
	for _, r := range p.rows {
		if r.Changed {
			b.Queue("SELECT pg_notify($1, '')", channel)
			break
		}
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// each reads rows of one column.
func each[T any](rows pgx.Rows, take func(T) error) error {
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return err //nolint:wrapcheck // the caller says what was read
		}
		if err := take(v); err != nil {
			return err
		}
	}
	return rows.Err() //nolint:wrapcheck // as above
}

func eachRobot(rows pgx.Rows, take func(robot.Robot)) error {
	return each(rows, func(body []byte) error {
		var r robot.Robot
		if err := json.Unmarshal(body, &r); err != nil {
			return fmt.Errorf("read a robot: %w", err)
		}
		take(r)
		return nil
	})
}
