package ingest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	published *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ingest_requests_total", Help: "Requests by kind of data and status code.",
		}, []string{"kind", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ingest_request_duration_seconds", Help: "Time from request to answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13),
		}, []string{"kind", "route"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ingest_published_total", Help: "Messages that a stream has acknowledged as new.",
		}, []string{"subject", "stream"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.published, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, kind := range []string{"hrv", "sleep", "oura"} {
		for _, status := range []string{"202", "503"} {
			m.requests.WithLabelValues(kind, status)
		}
	}
	return m
}

func (m *metrics) observe(rt route, code int, took time.Duration) {
	m.requests.WithLabelValues(rt.kind, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(rt.kind, rt.path).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
