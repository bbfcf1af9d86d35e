package service

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The two systems, as the label `system` has them.
const (
	Legacy = "legacy"
	New    = "new"
)

// Pages are a service's paths. Each request is counted and timed under the
// path's pattern, so that robots' ids make no series.
type Pages struct {
	// Registry is for what else the service measures.
	Registry *prometheus.Registry
	// Faults of the service; nil for none.
	Faults *Faults

	service  string
	mux      *http.ServeMux
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewPages has /metrics.
func NewPages(system, service string) *Pages {
	who := prometheus.Labels{"system": system, "service": service}
	labels := []string{"method", "path", "status"}
	p := &Pages{
		Registry: prometheus.NewRegistry(),
		service:  service,
		mux:      http.NewServeMux(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered.", ConstLabels: who,
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from request to answer.", ConstLabels: who,
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, labels[:2]),
	}
	p.Registry.MustRegister(p.requests, p.duration, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.mux.Handle("GET /metrics", p.Metrics())
	return p
}

// ServeHTTP makes Pages a handler.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Metrics is the page of all that is measured.
func (p *Pages) Metrics() http.Handler {
	return promhttp.HandlerFor(p.Registry, promhttp.HandlerOpts{})
}

// Handle serves a pattern as in http.ServeMux, with its method.
func (p *Pages) Handle(pattern string, serve http.HandlerFunc) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		panic("service: a pattern without a method: " + pattern)
	}
	// Known at 0, so that a rate starts with the first of them.
	p.requests.WithLabelValues(method, path, "200")
	p.requests.WithLabelValues(method, path, "503")
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, code: http.StatusOK}
		if !p.broken(rec, r, path) {
			serve(rec, r)
		}
		p.requests.WithLabelValues(method, path, strconv.Itoa(rec.code)).Inc()
		p.duration.WithLabelValues(method, path).Observe(time.Since(start).Seconds())
	})
}

// HandleSocket serves WebSockets, which are counted as they are opened; the
// time that they last is nobody's waiting.
func (p *Pages) HandleSocket(path string, serve http.HandlerFunc) {
	opened := p.requests.WithLabelValues(http.MethodGet, path, strconv.Itoa(http.StatusSwitchingProtocols))
	p.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		opened.Inc()
		serve(w, r)
	})
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
