package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/load"
)

// Source is where the world is read.
type Source struct {
	NATSURL     string
	DatabaseURL string
	// Backups is the directory in which backups of streams are; empty for none.
	// A stream that is gone is read in its newest whole one.
	Backups string
}

const settleEvery = 250 * time.Millisecond

// headerSource marks a copy that a stream took from another.
const headerSource = "Nats-Stream-Source"

// Take waits until the durables are drained or settle has passed, and counts.
func Take(ctx context.Context, src Source, records []load.Record, settle time.Duration) (Result, error) {
	w, err := Read(ctx, src, records, settle)
	if err != nil {
		return Result{}, err
	}
	return Count(records, w), nil
}

// Read waits and reads the world without counting.
func Read(ctx context.Context, src Source, records []load.Record, settle time.Duration) (World, error) {
	nc, err := nats.Connect(src.NATSURL, nats.Name("ledger"), nats.Timeout(5*time.Second))
	if err != nil {
		return World{}, fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return World{}, fmt.Errorf("use JetStream: %w", err)
	}
	if err := awaitDrained(ctx, js, settle); err != nil {
		return World{}, err
	}
	w := World{HRV: map[string]float64{}, Vendor: map[string]string{}, Effects: map[string]int{}}
	if w.Streams, err = persist(ctx, func() ([]Stream, error) { return readStreams(ctx, js) }); err != nil {
		return World{}, err
	}
	for i := range w.Streams {
		s := &w.Streams[i]
		if s.Messages, err = persist(ctx, func() ([]Stored, error) { return readMessages(ctx, js, s.Name) }); err != nil {
			return World{}, fmt.Errorf("read the messages of %s: %w", s.Name, err)
		}
	}
	if err := lookUp(ctx, js, records, &w); err != nil {
		return World{}, err
	}
	if src.Backups != "" {
		gone, err := readBackups(ctx, src.Backups, clusterName(nc), w.names())
		if err != nil {
			return World{}, err
		}
		w.Streams = append(w.Streams, gone...)
	}
	return w, readDatabase(ctx, src.DatabaseURL, &w)
}

// awaitDrained wants two looks in a row, as a core publish is stored a moment
// after it was sent. A look that fails is no look: the cluster may be busy.
func awaitDrained(ctx context.Context, js jetstream.JetStream, settle time.Duration) error {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	giveUp := time.Now().Add(settle)
	for calm := 0; calm < 2 && time.Now().Before(giveUp); {
		streams, err := readStreams(ctx, js)
		calm++
		if err != nil || !(World{Streams: streams}).drained() {
			calm = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the durables: %w", context.Cause(ctx))
		}
	}
	return nil
}

// persist tries again what a busy cluster did not answer.
func persist[T any](ctx context.Context, read func() (T, error)) (T, error) {
	return backoff.Retry(ctx, func() (T, error) {
		v, err := read()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, nats.ErrNoResponders) {
			err = backoff.Permanent(err)
		}
		return v, err
	}, backoff.WithMaxElapsedTime(30*time.Second))
}

// readStreams reads everything but the messages.
func readStreams(ctx context.Context, js jetstream.JetStream) ([]Stream, error) {
	var out []Stream
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		out = append(out, Stream{Name: name})
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("list the streams: %w", err)
	}
	for i := range out {
		stream, err := js.Stream(ctx, out[i].Name)
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", out[i].Name, err)
		}
		copies := len(stream.CachedInfo().Config.Sources) > 0
		for _, name := range []string{event.DurableHRV, event.DurableOura} {
			consumer, err := js.Consumer(ctx, out[i].Name, name)
			if errors.Is(err, jetstream.ErrConsumerNotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read durable %s of %s: %w", name, out[i].Name, err)
			}
			info := consumer.CachedInfo()
			out[i].Durables = append(out[i].Durables, Durable{
				Name: name, Subject: info.Config.FilterSubject, AckFloor: info.AckFloor.Stream,
				Pending: info.NumPending, Unacked: info.NumAckPending, Stands: copies && info.Paused,
			})
		}
	}
	return out, nil
}

// readMessages reads up to the stream's present end.
func readMessages(ctx context.Context, js jetstream.JetStream, name string) ([]Stored, error) {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	if info.State.Msgs == 0 {
		return nil, nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	// A request that is made right after the consumer may not reach it: it is
	// soon made again.
	iter, err := consumer.Messages(jetstream.PullMaxMessages(2000), jetstream.PullExpiry(2*time.Second))
	if err != nil {
		return nil, err
	}
	defer func() {
		iter.Stop()
		if info := consumer.CachedInfo(); info != nil {
			_ = stream.DeleteConsumer(context.WithoutCancel(ctx), info.Name) // else it goes by itself
		}
	}()
	out := make([]Stored, 0, info.State.Msgs)
	for {
		m, err := iter.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		out = append(out, stored(m.Headers(), m.Data(), m.Subject(), meta.Sequence.Stream, meta.Timestamp))
		if meta.NumPending == 0 {
			return out, nil
		}
	}
}

func stored(h nats.Header, body []byte, subject string, seq uint64, at time.Time) Stored {
	id := h.Get(event.HeaderMessageID)
	if id == "" {
		id = h.Get(nats.MsgIdHdr)
	}
	return Stored{
		ID: id, Subject: subject, Seq: seq, Time: at, Copy: h.Get(headerSource) != "",
		Probe: event.IsProbe(id) || h.Get(event.HeaderProbe) != "" || bytes.Contains(body, []byte(`"`+event.ProbePrefix)),
	}
}

// lookUp asks the leader for acknowledged messages that the ordered read did not
// show, before anybody calls them lost.
func lookUp(ctx context.Context, js jetstream.JetStream, records []load.Record, w *World) error {
	ix := w.index()
	for _, rec := range records {
		if !rec.Accepted() || rec.Seq == 0 || len(ix.places[rec.ID]) > 0 {
			continue
		}
		for i := range w.Streams {
			if w.Streams[i].Name != rec.Stream {
				continue
			}
			stream, err := js.Stream(ctx, rec.Stream)
			if err != nil {
				return fmt.Errorf("read stream %s: %w", rec.Stream, err)
			}
			m, err := stream.GetMsg(ctx, rec.Seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read message %d of %s: %w", rec.Seq, rec.Stream, err)
			}
			if s := stored(m.Header, m.Data, m.Subject, m.Sequence, m.Time); s.ID == rec.ID {
				w.Streams[i].Messages = append(w.Streams[i].Messages, s)
			}
		}
	}
	return nil
}

func readDatabase(ctx context.Context, url string, w *World) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var key, user string
	var rmssd float64
	var n int
	read := func(sql string, to []any, each func()) error {
		rows, err := conn.Query(ctx, sql)
		if err == nil {
			_, err = pgx.ForEachRow(rows, to, func() error { each(); return nil })
		}
		if err != nil {
			return fmt.Errorf("read the database: %s: %w", strings.Fields(sql)[1], err)
		}
		return nil
	}
	return errors.Join(
		read("SELECT user_id || '|' || date::text, rmssd FROM hrv_data", []any{&key, &rmssd}, func() { w.HRV[key] = rmssd }),
		read("SELECT event_id, user_id FROM vendor_events", []any{&key, &user}, func() { w.Vendor[key] = user }),
		read("SELECT message_id, count(*)::int FROM normalize_effects GROUP BY message_id", []any{&key, &n}, func() { w.Effects[key] = n }),
	)
}
