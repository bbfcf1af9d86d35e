package nats

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/segue-run/segue/driver"
)

// Undo takes the stream's subjects away and deletes it, if it is still as it
// was restored: the backup holds all of it. What arrived since stays.
func (a *restore) Undo(ctx context.Context, e driver.Effect) error {
	if flag(e.Before[a.id]["exists"]) && word(e.Before[a.id]["restoring"]) == "" {
		return nil // it was restored before: there was nothing to do
	}
	info, taken, err := a.look(ctx)
	if err != nil {
		return err
	}
	var cur restoreCursor
	if e.Cursor != nil {
		if err := json.Unmarshal(e.Cursor, &cur); err != nil {
			return fmt.Errorf("cursor of nats.restore: %w", err)
		}
	}
	switch {
	case cur.Backup == "" || info == nil && !taken:
		return nil // nothing was sent, or all is gone
	case taken || info.metadata()[restoringKey] == cur.Backup:
		return a.clear(ctx, e) // closed, so that nothing can have arrived
	case info.metadata()[restoredKey] != cur.Backup:
		return nil // somebody else's
	}
	return a.remove(ctx, e, info, cur)
}

func (a *restore) remove(ctx context.Context, e driver.Effect, info *streamInfo, cur restoreCursor) error {
	if !mirrors(info.Config) {
		if len(info.subjects()) > 0 || string(info.Config["sources"]) != "" {
			cfg := config{}
			for k, v := range info.Config {
				cfg[k] = v
			}
			putSubjects(a.p.Stream, cfg, nil)
			delete(cfg, "sources")
			now, err := a.c.updateStream(ctx, e.Mine, a.p.Stream, cfg)
			if err != nil {
				return fmt.Errorf("detach it: %w", err)
			}
			info = now
		}
		if _, err := a.c.stillness(ctx, info); err != nil {
			return err
		}
	}
	more, err := a.arrived(ctx, info, cur)
	if err != nil {
		return err
	}
	if more == "" {
		return a.c.deleteStream(ctx, e.Mine, a.p.Stream)
	}
	return &driver.Kept{
		What:   fmt.Sprintf("stream %s, detached from its subjects", a.p.Stream),
		Cost:   more,
		Hint:   "once nobody needs them: nats stream rm " + a.p.Stream,
		Fields: map[string][]string{a.id: {"*"}},
	}
}

// arrived says what the stream holds that the backup does not; "" if nothing.
func (a *restore) arrived(ctx context.Context, info *streamInfo, cur restoreCursor) (string, error) {
	if n := info.State.LastSeq; n > cur.LastSeq {
		return fmt.Sprintf("%d messages that arrived since", n-cur.LastSeq), nil
	} else if n < cur.LastSeq {
		return fmt.Sprintf("it is not the stream that was restored: its last message is %d, and was %d", n, cur.LastSeq), nil
	}
	m, err := a.c.message(ctx, a.p.Stream, map[string]any{"last_by_subj": ">"})
	if err != nil || m == nil {
		return "", err
	}
	if cur.Newest == nil || m.Seq > cur.Newest.Seq || m.Seq == cur.Newest.Seq && !m.Time.Equal(cur.Newest.Time) {
		return fmt.Sprintf("it is not the stream that was restored: its message %d is of %s", m.Seq, m.Time.UTC().Format("2006-01-02T15:04:05Z")), nil
	}
	return "", nil
}
