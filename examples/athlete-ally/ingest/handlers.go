package ingest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// HeaderRequestID names a request; a repeat under the same name is a duplicate.
const HeaderRequestID = "X-Request-Id"

const (
	maxBody      = 256 << 10
	maxRequestID = 128
)

// answer is the body of every reply but health.
type answer struct {
	Status    string `json:"status"`
	ID        string `json:"id,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Stream    string `json:"stream,omitempty"`
	Sequence  uint64 `json:"seq,omitempty"`
	Field     string `json:"field,omitempty"`
	Message   string `json:"message,omitempty"`
}

// route is one kind of data: where it comes, where it goes and what is asked of
// it.
type route struct {
	kind    string
	path    string
	subject string
	check   func(header http.Header, body []byte) (int, answer)
	// repeated is the status code of a repeat.
	repeated int
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.Handle("GET /metrics", s.metrics.handler())
	s.serveRoute(mux, route{
		kind: "hrv", path: "/api/v1/ingest/hrv", subject: event.SubjectHRV, repeated: http.StatusAccepted,
		check: schema(func(b []byte) error { _, err := event.ParseHRV(b); return err }),
	})
	s.serveRoute(mux, route{
		kind: "sleep", path: "/api/v1/ingest/sleep", subject: event.SubjectSleep, repeated: http.StatusAccepted,
		check: schema(func(b []byte) error { _, err := event.ParseSleep(b); return err }),
	})
	s.serveRoute(mux, route{
		kind: "oura", path: "/api/v1/webhook/oura", subject: event.SubjectOura, repeated: http.StatusOK,
		check: s.signed,
	})
	return mux
}

// schema refuses a body that breaks it, with the field's name.
func schema(parse func([]byte) error) func(http.Header, []byte) (int, answer) {
	return func(_ http.Header, body []byte) (int, answer) {
		err := parse(body)
		var bad *event.InvalidError
		switch {
		case errors.As(err, &bad):
			return http.StatusBadRequest, answer{Status: "invalid", Field: bad.Field, Message: bad.Why}
		case err != nil:
			return http.StatusBadRequest, answer{Status: "invalid", Message: err.Error()}
		}
		return 0, answer{}
	}
}

// signed checks who sent a webhook; its schema is the vendor's business and is
// checked by normalize.
func (s *server) signed(header http.Header, body []byte) (int, answer) {
	if s.cfg.OuraSecret != "" && !event.Verify(s.cfg.OuraSecret, body, header.Get(event.HeaderSignature)) {
		return http.StatusUnauthorized, answer{Status: "unauthorized", Message: event.HeaderSignature + " is not this body's signature"}
	}
	if !json.Valid(body) {
		return http.StatusBadRequest, answer{Status: "invalid", Field: "body", Message: "is not JSON"}
	}
	return 0, answer{}
}

func (s *server) serveRoute(mux *http.ServeMux, rt route) {
	mux.HandleFunc("POST "+rt.path, func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		code, ans := s.take(rt, r)
		s.metrics.observe(rt, code, time.Since(start))
		reply(w, code, ans)
	})
}

// take checks a request and publishes its body byte for byte as it came.
func (s *server) take(rt route, r *http.Request) (int, answer) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return http.StatusBadRequest, answer{Status: "invalid", Field: "body", Message: err.Error()}
	}
	id := r.Header.Get(HeaderRequestID)
	if len(id) > maxRequestID {
		return http.StatusBadRequest, answer{Status: "invalid", Field: HeaderRequestID, Message: "is too long"}
	}
	if code, ans := rt.check(r.Header, body); code != 0 {
		return code, ans
	}
	if id == "" {
		id = ulid.Make().String()
	}
	repeat := answer{Status: "duplicate", ID: id, Duplicate: true}
	if s.recent.has(rt.kind + "/" + id) {
		return rt.repeated, repeat
	}
	msg := nats.NewMsg(rt.subject)
	msg.Data = body
	msg.Header.Set(nats.MsgIdHdr, id)
	msg.Header.Set(event.HeaderReceivedAt, time.Now().UTC().Format(time.RFC3339Nano))
	ack, err := s.publisher.Publish(r.Context(), msg)
	if err != nil {
		s.log.Error("not acknowledged", "kind", rt.kind, "id", id, "error", err)
		return http.StatusServiceUnavailable, answer{Status: "unavailable", ID: id, Message: "not acknowledged; the same request may be sent again"}
	}
	s.recent.add(rt.kind + "/" + id)
	s.owners.acknowledged(rt.subject, ack.Stream)
	if ack.Duplicate {
		return rt.repeated, repeat
	}
	s.metrics.published.WithLabelValues(rt.subject, ack.Stream).Inc()
	return http.StatusAccepted, answer{Status: "accepted", ID: id, Stream: ack.Stream, Sequence: ack.Sequence}
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone: nobody to tell
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	code, status, bus := http.StatusOK, "healthy", "connected"
	if !s.nc.IsConnected() {
		code, status, bus = http.StatusServiceUnavailable, "degraded", "disconnected"
	}
	reply(w, code, map[string]any{
		"status": status, "eventBus": bus, "version": s.cfg.Release, "service": "ingest", "streams": s.owners.bySubject(),
	})
}
