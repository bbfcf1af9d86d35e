package memory

import (
	"context"
	"encoding/json"
	"time"

	"github.com/segue-run/segue/journal"
)

// Send implements journal.Store.
func (s *Store) Send(ctx context.Context, id, key string, at time.Time, data json.RawMessage) (int64, error) {
	var n int64
	err := s.do(ctx, "send "+key+" to", id, func(d *Disk) error {
		r, err := d.find(id)
		if err != nil {
			return err
		}
		for _, m := range r.inbox {
			if m.Key == key {
				n = m.ID
				return nil
			}
		}
		if r.final {
			return journal.ErrFinal
		}
		if err := d.room(); err != nil {
			return err
		}
		n = int64(len(r.inbox)) + 1
		r.inbox = append(r.inbox, journal.Message{ID: n, Key: key, At: at.UTC().Round(0), Data: clone(data)})
		return nil
	})
	return n, err
}

// Inbox implements journal.Reader.
func (s *Store) Inbox(ctx context.Context, id string, after int64) ([]journal.Message, error) {
	var messages []journal.Message
	err := s.do(ctx, "read the inbox of", id, func(d *Disk) error {
		r, err := d.find(id)
		if err != nil {
			return err
		}
		for _, m := range r.inbox {
			if m.ID > after {
				m.Data = clone(m.Data)
				messages = append(messages, m)
			}
		}
		return nil
	})
	return messages, err
}
