package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// Burden implements driver.Burdened: who waits for a lock in this database, and
// how far its server's standbys are behind.
func (s *rowSource) Burden(ctx context.Context) (b driver.Burden, err error) {
	var standbys, hidden int
	var seconds float64
	var end, replayed string
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// Readers of a logical slot tell how far they are when they like, and are
		// no standbys.
		return conn.QueryRow(ctx, `with standby as (select * from pg_stat_replication r where state is distinct from 'backup' and not exists
				(select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical'))
			select (select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()),
				count(*), count(*) filter (where state is null), coalesce(extract(epoch from max(replay_lag)), 0),
				`+logEnd+`, coalesce(min(replay_lsn)::text, '') from standby`).Scan(&b.LockWaits, &standbys, &hidden, &seconds, &end, &replayed)
	})
	if err != nil {
		return b, err
	}
	if hidden > 0 {
		b.Hidden = &driver.Refusal{
			System: s.session.db.String(), Reason: "the role that it is read with may not see how far the server's standbys are behind",
			Remedy: "grant it pg_monitor, or leave replica-lag out",
		}
		return b, nil
	}
	b.ReplicaLag = time.Duration(seconds * float64(time.Second))
	if standbys > 0 {
		stalled, err := s.late.look(end, replayed, time.Now())
		if err != nil {
			return b, err
		}
		b.ReplicaLag = max(b.ReplicaLag, stalled)
	}
	return b, nil
}

// late tells for how long a standby has not come to where the log once ended. The
// server's own replay_lag is what was measured last, which says nothing of one
// that stands still.
type late struct {
	end  uint64 // of the log, at some time; 0 for none that is not reached
	when time.Time
}

func (l *late) look(end, replayed string, now time.Time) (time.Duration, error) {
	ends, err := parseLSN(end)
	if err != nil {
		return 0, err
	}
	at, err := parseLSN(replayed)
	if err != nil {
		return 0, err
	}
	switch {
	case at >= ends:
		l.end = 0
	case at >= l.end:
		l.end, l.when = ends, now
	default:
		return now.Sub(l.when), nil
	}
	return 0, nil
}
