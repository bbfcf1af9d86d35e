package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const signingSecret = "oura-s3cret/of tests"

var (
	cluster  *natstest.Nodes
	database postgrestest.Shared
	counts   = &page{values: map[string]int{}}
	promURL  string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "segue-probe-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stop, err := startPrometheus(dir) // first: its first answer takes seconds
	if err != nil {
		return failed(err)
	}
	defer stop()
	if cluster, err = natstest.Start(filepath.Join(dir, "nats")); err != nil {
		return failed(err)
	}
	defer cluster.Stop()
	if err := awaitPrometheus(); err != nil {
		return failed(err)
	}
	return database.Run(m)
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// system is ingest and normalize in small: it checks signatures, publishes,
// inserts and counts; and does each of these wrong when a test says so.
type system struct {
	t        testing.TB
	js       jetstream.JetStream
	pool     *pgxpool.Pool
	dbURL    string
	url      string
	stream   string // where the subject is
	other    string // where "other.<subject>" is, and the copies
	subject  string
	requests atomic.Int64

	refuse  atomic.Int64 // so many requests are answered 503, after they were published if late is set
	late    atomic.Bool
	limit   atomic.Int64 // so many are answered 429
	astray  atomic.Bool  // published to the other stream
	doubled atomic.Bool  // published twice
	dead    atomic.Bool  // dead-lettered
	lazy    atomic.Bool  // acknowledged, and not inserted
	asleep  atomic.Bool  // neither
	mute    atomic.Bool  // not counted
}

var serial atomic.Int64

func newSystem(t testing.TB) *system {
	t.Helper()
	n := serial.Add(1)
	s := &system{
		t: t, js: cluster.JetStream(t), dbURL: database.Database(t.(*testing.T)),
		stream: fmt.Sprintf("HOT%d", n), other: fmt.Sprintf("OLD%d", n), subject: fmt.Sprintf("vendor%d.oura.received", n),
	}
	postgrestest.Exec(t, s.dbURL, `
		create table vendor_events (event_id text primary key, event_type text not null);
		create table normalize_effects (message_id text not null);
		insert into vendor_events values ('somebody-elses', 'daily_activity');
		insert into normalize_effects values ('somebody-elses')`)
	var err error
	if s.pool, err = pgxpool.New(t.Context(), s.dbURL); err != nil {
		t.Fatal(err)
	}
	s.addStream(jetstream.StreamConfig{Name: s.stream, Subjects: []string{s.subject}})
	s.addStream(jetstream.StreamConfig{Name: s.other, Subjects: []string{"other." + s.subject, "dlq." + s.subject}})
	for range 2 { // somebody else's
		if _, err := s.js.Publish(t.Context(), s.subject, []byte(`{"event_id":"somebody-elses"}`)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.js.CreateConsumer(t.Context(), s.stream, jetstream.ConsumerConfig{Durable: "normalize-oura", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	working, err := c.Consume(s.work, jetstream.PullExpiry(time.Second)) // a pull may be lost right after the consumer is made
	if err != nil {
		t.Fatal(err)
	}
	ingest := httptest.NewServer(http.HandlerFunc(s.ingest))
	s.url = ingest.URL
	t.Cleanup(func() {
		ingest.Close()
		working.Stop()
		<-working.Closed()
		s.pool.Close()
		_ = s.js.DeleteStream(context.Background(), s.stream)
		_ = s.js.DeleteStream(context.Background(), s.other)
	})
	return s
}

func (s *system) addStream(cfg jetstream.StreamConfig) {
	s.t.Helper()
	if _, err := s.js.CreateStream(s.t.Context(), cfg); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) ingest(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(signingSecret))
	mac.Write(body)
	if got := r.Header.Get("X-Oura-Signature"); got != hex.EncodeToString(mac.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, "%s is not this body's signature under %s", got, signingSecret) // as no server should
		return
	}
	if s.limit.Add(-1) >= 0 {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	refused := s.refuse.Add(-1) >= 0
	if !refused || s.late.Load() {
		if err := s.publish(r, body); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	if refused {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *system) publish(r *http.Request, body []byte) error {
	id := r.Header.Get("X-Request-Id")
	m := nats.NewMsg(s.subject)
	m.Data = body
	m.Header.Set(nats.MsgIdHdr, id)
	switch {
	case s.astray.Load():
		// As a stream does that owned the subject before: it is under the same
		// subject there.
		m.Header.Set("To", "other")
		if err := s.misroute(r.Context(), m); err != nil {
			return err
		}
		return nil
	case s.doubled.Load():
		if _, err := s.js.PublishMsg(r.Context(), m); err != nil {
			return err
		}
		m.Header.Set(nats.MsgIdHdr, id+"-again")
	}
	_, err := s.js.PublishMsg(r.Context(), m)
	return err
}

// misroute gives the subject to the other stream and publishes there.
func (s *system) misroute(ctx context.Context, m *nats.Msg) error {
	if _, err := s.js.UpdateStream(ctx, jetstream.StreamConfig{Name: s.stream, Subjects: []string{"nothing." + s.subject}}); err != nil {
		return err
	}
	if _, err := s.js.UpdateStream(ctx, jetstream.StreamConfig{Name: s.other, Subjects: []string{s.subject, "dlq." + s.subject}}); err != nil {
		return err
	}
	_, err := s.js.PublishMsg(ctx, m)
	return err
}

func (s *system) work(m jetstream.Msg) {
	var event struct {
		ID   string `json:"event_id"`
		Type string `json:"event_type"`
	}
	if json.Unmarshal(m.Data(), &event) != nil || event.Type == "" {
		_ = m.Ack()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	switch {
	case s.asleep.Load():
		return
	case s.dead.Load():
		d := nats.NewMsg("dlq." + s.subject)
		d.Data = m.Data()
		if _, err := s.js.PublishMsg(ctx, d); err != nil {
			return
		}
	case !s.lazy.Load():
		_, err := s.pool.Exec(ctx, `
			with changed as (insert into vendor_events values ($1, $2) on conflict do nothing returning 1)
			insert into normalize_effects select $3 from changed`, event.ID, event.Type, m.Headers().Get(nats.MsgIdHdr))
		if err != nil {
			return
		}
	}
	_ = m.DoubleAck(ctx)
	if !s.mute.Load() {
		counts.count(s.stream)
	}
}

// leftovers is all that is there and is nobody else's.
func (s *system) leftovers(ctx context.Context) (string, error) {
	var out []string
	for _, name := range []string{s.stream, s.other} {
		stream, err := s.js.Stream(ctx, name)
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprint(stream.CachedInfo().State.Msgs))
	}
	for _, table := range []string{"vendor_events", "normalize_effects"} {
		var n int
		if err := s.pool.QueryRow(ctx, "select count(*) from "+table).Scan(&n); err != nil {
			return "", err
		}
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, " "), nil
}

// untouched: two messages and one row in each table, all somebody else's.
const untouched = "2 0 1 1"

// becomes waits until leftovers are as said. It works in cleanups too.
func (s *system) becomes(want string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := s.leftovers(ctx)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("there is %s (%v), want %s", got, err, want)
		}
	}
}
