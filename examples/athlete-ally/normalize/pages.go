package normalize

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"

	"github.com/nats-io/nats.go"
)

// Health is the body of GET /health.
type Health struct {
	Status   string              `json:"status"`
	EventBus string              `json:"eventBus"`
	Database string              `json:"database"`
	Version  string              `json:"version"`
	Service  string              `json:"service"`
	Mode     string              `json:"mode"`
	Streams  map[string][]string `json:"streams"`
	Fault    string              `json:"fault,omitempty"`
}

// Faults that POST /admin/fault takes.
const (
	FaultNone       = "none"
	FaultDeadLetter = "dead-letter"
)

func pages(cfg Config, nc *nats.Conn, b *binder, w *worker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(rw http.ResponseWriter, _ *http.Request) {
		h := health(cfg, nc, b, w)
		code := http.StatusOK
		if h.Status != "healthy" {
			code = http.StatusServiceUnavailable
		}
		reply(rw, code, h)
	})
	if cfg.AdminToken != "" {
		mux.HandleFunc("POST /admin/fault", func(rw http.ResponseWriter, r *http.Request) { setFault(cfg, w, rw, r) })
	}
	return mux
}

// health is whole only when every durable is read somewhere.
func health(cfg Config, nc *nats.Conn, b *binder, w *worker) Health {
	h := Health{
		Status: "healthy", EventBus: "connected", Database: "connected",
		Version: cfg.Release, Service: "normalize", Mode: cfg.Mode, Streams: b.streams(),
	}
	if !nc.IsConnected() {
		h.Status, h.EventBus = "degraded", "disconnected"
	}
	if w.databaseAway.Load() {
		h.Status, h.Database = "degraded", "disconnected"
	}
	for _, streams := range h.Streams {
		if len(streams) == 0 {
			h.Status = "degraded"
		}
	}
	if w.deadLetterAll.Load() {
		h.Fault = FaultDeadLetter
	}
	return h
}

func setFault(cfg Config, w *worker, rw http.ResponseWriter, r *http.Request) {
	given := r.Header.Get("Authorization")
	if subtle.ConstantTimeCompare([]byte(given), []byte("Bearer "+cfg.AdminToken)) != 1 {
		reply(rw, http.StatusUnauthorized, map[string]string{"error": "wrong or no bearer token"})
		return
	}
	fault := r.FormValue("mode")
	switch fault {
	case FaultNone, FaultDeadLetter:
	default:
		reply(rw, http.StatusBadRequest, map[string]string{"error": "mode must be " + FaultNone + " or " + FaultDeadLetter})
		return
	}
	w.deadLetterAll.Store(fault == FaultDeadLetter)
	w.log.Warn("fault set", "mode", fault)
	reply(rw, http.StatusOK, map[string]string{"fault": fault})
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone: nobody to tell
}
