package service

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// RetryAfter is when a service that cannot answer now may be asked again, in
// seconds.
const RetryAfter = 1

// Reply answers with JSON.
func Reply(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ReplyRaw(w, code, body)
}

// ReplyRaw answers with what is JSON already.
func ReplyRaw(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // the caller has gone: nobody to tell
}

// Refuse answers 400, with the field if the error names one.
func Refuse(w http.ResponseWriter, err error) {
	var bad *robot.InvalidError
	if errors.As(err, &bad) {
		Reply(w, http.StatusBadRequest, api.Error{Error: bad.Why, Field: bad.Field})
		return
	}
	Reply(w, http.StatusBadRequest, api.Error{Error: err.Error()})
}

// Missing answers 404.
func Missing(w http.ResponseWriter, what string) {
	Reply(w, http.StatusNotFound, api.Error{Error: "there is no " + what})
}

// Unavailable answers 503 with Retry-After. The reason is for the log: it may
// name what is no client's business.
func Unavailable(w http.ResponseWriter, what string) {
	w.Header().Set("Retry-After", strconv.Itoa(RetryAfter))
	Reply(w, http.StatusServiceUnavailable, api.Error{Error: what, RetryAfter: RetryAfter})
}

// ReadBody reads a body of at most limit bytes; where that fails it has
// answered.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		Reply(w, http.StatusBadRequest, api.Error{Error: err.Error(), Field: "body"})
		return nil, false
	}
	return body, true
}

// ReplyHealth answers 200 if healthy, else 503 with the same body.
func ReplyHealth(w http.ResponseWriter, h api.Health) {
	code := http.StatusOK
	if h.Status != api.Healthy {
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(RetryAfter))
	}
	Reply(w, code, h)
}
