package tracker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
)

// collector looks when it is asked. What cannot be known now is absent: an old
// figure would pass for a new one.
type collector struct {
	pool  *pgxpool.Pool
	redis *redis.Client
	flags *rollout.File
	split *split
}

// lookTime is less than what Prometheus waits for.
const lookTime = 800 * time.Millisecond

// Describe says nothing: what there is depends on what answers.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	gauge := func(name, help string, value float64, labels ...string) {
		emit(out, prometheus.GaugeValue, name, help, value, labels)
	}
	counter := func(name, help string, value float64, labels ...string) {
		emit(out, prometheus.CounterValue, name, help, value, labels)
	}
	up := func(err error) float64 {
		if err != nil {
			return 0
		}
		return 1
	}
	gauge("migration_expected_split", "The share in percent that the new system is meant to have.", c.flags.Config().Canary)
	if percent, known := c.split.measured(time.Now()); known {
		gauge("migration_traffic_split", "The share in percent of the last minute's requests that the new system has served.", percent)
	}
	gauge("pg_up", "1 while PostgreSQL answers.", up(c.postgres(ctx, gauge, counter)))
	gauge("redis_up", "1 while Redis answers.", up(c.info(ctx, gauge, counter)))
}

type emitter func(name, help string, value float64, labels ...string)

// emit takes labels as names and values in turn.
func emit(out chan<- prometheus.Metric, kind prometheus.ValueType, name, help string, value float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

// postgres says how the server is, and what is in it.
func (c *collector) postgres(ctx context.Context, gauge, counter emitter) error {
	var (
		state, database_, kind, phase       string
		n, limit, size                      float64
		commits, rollbacks, hit, read, dead float64
		lastSync, begun                     float64
	)
	counted := map[robot.Type]float64{}
	states := map[string]float64{"active": 0, "idle": 0, "idle in transaction": 0}
	var b pgx.Batch
	b.Queue("SELECT coalesce(state, 'other'), count(*)::float8 FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1").Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&state, &n}, func() error { states[state] = n; return nil })
		return err
	})
	b.Queue(`SELECT datname, pg_database_size(datname)::float8, current_setting('max_connections')::float8,
		xact_commit::float8, xact_rollback::float8, blks_hit::float8, blks_read::float8, deadlocks::float8
		FROM pg_stat_database WHERE datname = current_database()`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&database_, &size, &limit, &commits, &rollbacks, &hit, &read, &dead)
	})
	b.Queue("SELECT type, count(*)::float8 FROM robots GROUP BY 1").Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error { counted[robot.Type(kind)] = n; return nil })
		return err
	})
	optional := func(sql string, into ...any) {
		b.Queue(sql).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(into...); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil
		})
	}
	optional("SELECT extract(epoch FROM last_sync)::float8 FROM sync_status", &lastSync)
	optional("SELECT phase, extract(epoch FROM started_at)::float8 FROM migration_phases ORDER BY started_at DESC LIMIT 1", &phase, &begun)
	if err := c.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("look at PostgreSQL: %w", err)
	}
	for state, n := range states {
		gauge("pg_stat_activity_count", "Connections by state.", n, "state", state)
	}
	gauge("pg_settings_max_connections", "Connections that the server takes.", limit)
	gauge("pg_database_size_bytes", "Size on disk.", size, "datname", database_)
	counter("pg_stat_database_xact_commit_total", "Transactions committed.", commits, "datname", database_)
	counter("pg_stat_database_xact_rollback_total", "Transactions rolled back.", rollbacks, "datname", database_)
	counter("pg_stat_database_blks_hit_total", "Blocks found in memory.", hit, "datname", database_)
	counter("pg_stat_database_blks_read_total", "Blocks read from disk.", read, "datname", database_)
	counter("pg_stat_database_deadlocks_total", "Deadlocks.", dead, "datname", database_)
	for _, t := range robot.Types() {
		gauge("robots_total", "Robots that the system knows.", counted[t], "system", service.New, "type", string(t))
	}
	if lastSync > 0 {
		gauge("migration_last_sync_timestamp", "When records were last brought over from the legacy system, in Unix seconds.", lastSync)
	}
	if phase != "" {
		gauge("migration_phase_start_timestamp", "When the phase began, in Unix seconds.", begun, "phase", phase)
	}
	return nil
}

// redisFigures are those of INFO that are exported.
var redisFigures = []struct {
	field, name, help string
	counts            bool
}{
	{"used_memory", "redis_memory_used_bytes", "Memory used.", false},
	{"maxmemory", "redis_memory_max_bytes", "Memory that may be used; 0 is no limit.", false},
	{"connected_clients", "redis_connected_clients", "Clients connected.", false},
	{"keyspace_hits", "redis_keyspace_hits_total", "Keys asked for and found.", true},
	{"keyspace_misses", "redis_keyspace_misses_total", "Keys asked for and not found.", true},
	{"evicted_keys", "redis_evicted_keys_total", "Keys thrown away for want of memory.", true},
	{"expired_keys", "redis_expired_keys_total", "Keys whose time was over.", true},
}

func (c *collector) info(ctx context.Context, gauge, counter emitter) error {
	text, err := c.redis.Info(ctx, "memory", "clients", "stats").Result()
	if err != nil {
		return fmt.Errorf("look at Redis: %w", err)
	}
	keys, err := c.redis.DBSize(ctx).Result()
	if err != nil {
		return fmt.Errorf("look at Redis: %w", err)
	}
	fields := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":"); ok {
			fields[name] = value
		}
	}
	for _, f := range redisFigures {
		v, err := strconv.ParseFloat(fields[f.field], 64)
		switch {
		case err != nil:
			return fmt.Errorf("look at Redis: INFO has no %s", f.field)
		case f.counts:
			counter(f.name, f.help, v)
		default:
			gauge(f.name, f.help, v)
		}
	}
	gauge("redis_db_keys", "Keys there are.", float64(keys))
	return nil
}

// phase notes when the phase of the configuration is another than the last.
func notePhase(ctx context.Context, pool *pgxpool.Pool, phase string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_, err := pool.Exec(ctx, `INSERT INTO migration_phases (phase) SELECT $1
		WHERE $1 IS DISTINCT FROM (SELECT phase FROM migration_phases ORDER BY started_at DESC LIMIT 1)`, phase)
	if err != nil {
		return fmt.Errorf("note the phase: %w", err)
	}
	return nil
}

// prune forgets what is older than keep.
func prune(ctx context.Context, pool *pgxpool.Pool, keep time.Duration) error {
	for _, table := range []string{"request_logs", "migration_tracking"} {
		if _, err := pool.Exec(ctx, "DELETE FROM "+table+" WHERE timestamp < now() - $1::interval", keep); err != nil {
			return fmt.Errorf("prune %s: %w", table, err)
		}
	}
	return nil
}
