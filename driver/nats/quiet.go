package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// quiet finds out whether a stream got a message of its own, one that it did
// not source from another stream, within a time. It goes by the times that
// the messages have, and so needs no memory; what it remembers spares it work,
// and tells it of messages that came and went between two looks.
type quiet struct {
	c       *Conn
	stream  string
	subject string // "" for all

	seen    bool
	last    uint64    // the stream's last sequence then
	gone    time.Time // when messages were last found to have come and gone
	sourced uint64    // up to here no message is the stream's own
}

// loudness is what was found. own: a message of the stream's own is young.
// unsure: there may have been one that is gone now. Neither: it was quiet.
type loudness struct {
	own, unsure string
	newest      string // what the newest message is, for people
	looked      int64
}

// within looks for messages that are younger than d.
func (q *quiet) within(ctx context.Context, d time.Duration) (*loudness, error) {
	info, err := q.c.stream(ctx, q.stream)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fmt.Errorf("there is no stream %s", q.stream)
	}
	if q.seen && info.State.LastSeq < q.last { // it was made anew
		*q = quiet{c: q.c, stream: q.stream, subject: q.subject}
	}
	now := info.Now // the clock that the messages' times are of
	if now.IsZero() {
		now = time.Now()
	}
	all, err := q.c.message(ctx, q.stream, map[string]any{"last_by_subj": ">"})
	if err != nil {
		return nil, err
	}
	newest := all
	if q.subject != "" {
		if newest, err = q.c.message(ctx, q.stream, map[string]any{"last_by_subj": q.subject}); err != nil {
			return nil, err
		}
	}
	out := &loudness{newest: "it holds none"}
	if newest != nil {
		out.newest = fmt.Sprintf("the newest is %d on %s, %s old", newest.Seq, newest.Subject, old(now, newest.Time))
	}
	switch {
	case newest == nil || now.Sub(newest.Time) >= d:
	case own(newest):
		out.own = fmt.Sprintf("message %d on %s is %s old", newest.Seq, newest.Subject, old(now, newest.Time))
	default:
		if err := q.search(ctx, info, now.Add(-d), now, newest.Seq, out); err != nil {
			return nil, err
		}
	}
	if out.own == "" {
		q.missing(info, all, now, d, out)
	}
	q.seen, q.last = true, info.State.LastSeq
	return out, nil
}

// own reports whether a message came to the stream itself.
func own(m *message) bool { return m.header("Nats-Stream-Source") == "" }

func old(now, then time.Time) string {
	return tidy(max(now.Sub(then), 0).Truncate(time.Second))
}

// missing looks for messages that came and are gone again, purged or expired:
// the stream's last sequence and its time tell of them.
func (q *quiet) missing(info *streamInfo, newest *message, now time.Time, d time.Duration, out *loudness) {
	s := info.State
	var held uint64
	if newest != nil {
		held = newest.Seq
	}
	if s.LastSeq > held && now.Sub(s.LastTime) < d {
		q.tell(info, fmt.Sprintf("message %d came %s ago and is gone", s.LastSeq, old(now, s.LastTime)), out)
		return
	}
	if q.seen && s.LastSeq > q.last && (held <= q.last || s.FirstSeq > q.last+1) {
		q.gone = now
	}
	if !q.gone.IsZero() && now.Sub(q.gone) < d {
		q.tell(info, fmt.Sprintf("messages came in the last %s and are gone", tidy(d)), out)
	}
}

// tell: a message that is gone was the stream's own if it sources nothing.
func (q *quiet) tell(info *streamInfo, what string, out *loudness) {
	var sources []json.RawMessage
	_ = json.Unmarshal(info.Config["sources"], &sources)
	switch {
	case q.subject != "":
		out.unsure = what + ": on which subject it was cannot be seen"
	case len(sources) > 0:
		out.unsure = what + ": whether it was sourced cannot be seen"
	default:
		out.own = what
	}
}

// search passes over the messages since a time, of which the newest is
// sourced, for one that is not.
func (q *quiet) search(ctx context.Context, info *streamInfo, since, now time.Time, last uint64, out *loudness) error {
	begin, err := q.firstSince(ctx, info.State.FirstSeq, last, since)
	if err != nil {
		return err
	}
	for at := max(begin, q.sourced+1); at <= last; {
		m, err := q.c.message(ctx, q.stream, map[string]any{"seq": at, "next_by_subj": cmp.Or(q.subject, ">")})
		switch {
		case ctx.Err() != nil && out.looked > 0: // the next look goes on from here
			out.unsure = fmt.Sprintf("%d sourced messages looked at, up to %d of %d", out.looked, at-1, last)
			return nil
		case err != nil:
			return err
		case m == nil || m.Seq > last:
			return nil
		case own(m) && m.Time.After(since):
			out.own = fmt.Sprintf("message %d on %s is %s old", m.Seq, m.Subject, old(now, m.Time))
			return nil
		case q.subject == "" && at > begin && m.Seq > at:
			out.unsure = fmt.Sprintf("messages %d to %d came within the time and are gone: whether they were sourced cannot be seen", at, m.Seq-1)
		}
		out.looked++
		at = m.Seq + 1
		if out.unsure == "" { // otherwise it is to be seen again
			q.sourced = m.Seq
		}
	}
	return nil
}

// firstSince finds a sequence before which nothing is younger than since, by
// halving: times grow with sequences.
func (q *quiet) firstSince(ctx context.Context, first, last uint64, since time.Time) (uint64, error) {
	for first < last {
		mid := first + (last-first)/2
		m, err := q.c.message(ctx, q.stream, map[string]any{"seq": mid, "next_by_subj": ">"})
		switch {
		case err != nil:
			return 0, err
		case m == nil || m.Time.After(since):
			last = mid
		default:
			first = m.Seq + 1
		}
	}
	return first, nil
}
