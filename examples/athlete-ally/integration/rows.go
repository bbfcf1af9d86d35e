package integration

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

// hrvRow is what normalize has made of a user's day.
type hrvRow struct {
	rmssd, ln float64
}

func (p *probe) hrvRow(ctx context.Context, user string) (r hrvRow, err error) {
	err = p.db.QueryRow(ctx, "SELECT rmssd, ln_rmssd FROM hrv_data WHERE user_id = $1 AND date = $2::text::date", user, day).Scan(&r.rmssd, &r.ln)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, fmt.Errorf("there is no row of user %s on %s", user, day)
	}
	return r, err
}

// awaitRMSSD waits for a user's row to have a value.
func (p *probe) awaitRMSSD(ctx context.Context, user string, want float64) error {
	return await(ctx, func(ctx context.Context) error {
		r, err := p.hrvRow(ctx, user)
		if err == nil && r.rmssd != want {
			err = fmt.Errorf("the row of user %s has rmssd %v, want %v", user, r.rmssd, want)
		}
		return err
	})
}

// effects counts how often the messages whose ids begin so have changed
// something.
func (p *probe) effects(ctx context.Context, begin string) (n int, err error) {
	err = p.db.QueryRow(ctx, "SELECT count(*) FROM normalize_effects WHERE starts_with(message_id, $1)", begin).Scan(&n)
	return n, err
}

func hrvLogarithm(ctx context.Context, p *probe) error {
	m, err := p.send(ctx, hrv, aReading)
	if err != nil {
		return err
	}
	if err := p.awaitRMSSD(ctx, m.id, 42); err != nil {
		return err
	}
	r, err := p.hrvRow(ctx, m.id)
	if err == nil && math.Abs(r.ln-3.7377) > 0.00005 {
		err = fmt.Errorf("ln_rmssd of 42 is %v, want 3.7377", r.ln)
	}
	return err
}

func hrvNewestWins(ctx context.Context, p *probe) error {
	user := p.name()
	if _, err := p.send(ctx, hrv, func(string) []byte { return reading(user, 40, at(6)) }); err != nil {
		return err
	}
	if err := p.awaitRMSSD(ctx, user, 40); err != nil {
		return err
	}
	if _, err := p.send(ctx, hrv, func(string) []byte { return reading(user, 50, at(7)) }); err != nil {
		return err
	}
	return p.awaitRMSSD(ctx, user, 50)
}

func hrvOlderIgnored(ctx context.Context, p *probe) error {
	user := p.name()
	if _, err := p.send(ctx, hrv, func(string) []byte { return reading(user, 50, at(7)) }); err != nil {
		return err
	}
	if err := p.awaitRMSSD(ctx, user, 50); err != nil {
		return err
	}
	older, err := p.send(ctx, hrv, func(string) []byte { return reading(user, 40, at(6)) })
	if err != nil {
		return err
	}
	if err := p.awaitSettled(ctx, older.place); err != nil {
		return err
	}
	r, err := p.hrvRow(ctx, user)
	if err != nil {
		return err
	}
	if r.rmssd != 50 {
		return fmt.Errorf("the reading of 06:00 has replaced that of 07:00: rmssd is %v, want 50", r.rmssd)
	}
	n, err := p.effects(ctx, older.id)
	if err == nil && n != 0 {
		err = fmt.Errorf("the older reading has %d effects, want none", n)
	}
	return err
}

func vendorOnce(ctx context.Context, p *probe) error {
	eventID := p.name()
	err := p.sendTwice(ctx, oura, func(string) []byte { return webhook(eventID, eventID) })
	if err != nil {
		return err
	}
	var rows int
	if err := p.db.QueryRow(ctx, "SELECT count(*) FROM vendor_events WHERE event_id = $1", eventID).Scan(&rows); err != nil {
		return err
	}
	if rows != 1 {
		return fmt.Errorf("event %s has %d rows, want 1", eventID, rows)
	}
	return p.oneEffect(ctx)
}

func effectOnce(ctx context.Context, p *probe) error {
	user := p.name()
	err := p.sendTwice(ctx, hrv, func(string) []byte { return reading(user, 42, at(6)) })
	if err != nil {
		return err
	}
	if err := p.awaitRMSSD(ctx, user, 42); err != nil {
		return err
	}
	return p.oneEffect(ctx)
}

// sendTwice sends one body under two message ids, and waits until both are
// processed.
func (p *probe) sendTwice(ctx context.Context, k kind, body func(string) []byte) error {
	var sent []message
	for range 2 {
		m, err := p.send(ctx, k, body)
		if err != nil {
			return err
		}
		sent = append(sent, m)
	}
	for _, m := range sent {
		if err := p.awaitSettled(ctx, m.place); err != nil {
			return err
		}
	}
	return nil
}

// oneEffect looks at all messages of the test: a try whose answer was lost may
// have been the first to change something.
func (p *probe) oneEffect(ctx context.Context) error {
	n, err := p.effects(ctx, p.mark)
	if err == nil && n != 1 {
		err = fmt.Errorf("the messages %s… have %d effects together, want 1", p.mark, n)
	}
	return err
}
