package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// put puts what is in the temporary table into the table. A trigger that gives a
// row another version than it was sent with is refused: the sync back would take
// that for a change, and the two would go round for ever.
func (s *rowSink) put(ctx context.Context, tx pgx.Tx) (changed int64, err error) {
	if !s.touched {
		tag, err := tx.Exec(ctx, s.merge())
		return tag.RowsAffected(), err
	}
	var same []string
	for _, k := range idents(s.shape.Key) {
		same = append(same, "w."+k+" = s."+k)
	}
	v := quote(s.shape.Version)
	var others int64
	err = tx.QueryRow(ctx, fmt.Sprintf("with w as (%s returning t.*) select count(*), count(*) filter (where w.%s is distinct from s.%s) from w left join %s s on %s",
		s.merge(), v, v, stage, strings.Join(same, " and "))).Scan(&changed, &others)
	if err == nil && others > 0 {
		err = fmt.Errorf("%w: a trigger of table %s gives rows another %s than they come with, so nobody can tell a record that came over from one that was changed: let it leave alone what this sync writes, as when current_setting('application_name') is 'segue'",
			errAnswer, s.table.name, s.shape.Version)
	}
	return changed, err
}
